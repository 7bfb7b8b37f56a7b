from tests.netns.legacy.conftest import legacy_lab

__all__ = ["legacy_lab"]
