"""Lets the asserts of the contract say what they saw, although its file is no test file."""

import pytest

pytest.register_assert_rewrite("tests.bot.executors.contract")
