"""The suites that every kind of home and every kind of store passes."""

import pytest

pytest.register_assert_rewrite("contracts.home_contract", "contracts.store_contract")
