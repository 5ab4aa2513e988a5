"""Envoy rate-limit service: how much has been used, and is there any left?"""
