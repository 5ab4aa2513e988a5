"""Envoy external authorization: who is calling, and may they?"""
