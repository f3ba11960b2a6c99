"""The patch queue: its series, the git tree with it, and the way back."""

from .tree import TreeInfo
