"""Architectures, configurations, kernels, modules and single objects."""
