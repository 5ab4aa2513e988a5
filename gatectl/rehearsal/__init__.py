"""A gateway on its own for a moment: the real Envoy and the real services, with nobody behind and nobody in front.

Not a simulation: what a request meets here is what serves traffic. Only the place differs (see ``place``).
"""
