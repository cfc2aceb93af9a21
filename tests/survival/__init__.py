import pytest

pytest.register_assert_rewrite("tests.survival.commands", "tests.survival.work")
