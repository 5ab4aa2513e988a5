"""The control law of adaptive limits against a simulated upstream, and the plots of it in the documentation."""
