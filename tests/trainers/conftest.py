import pytest

from tests.support.trainers import own_loop


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Our own loop before its first step."""
    return own_loop(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Our own loop after its last epoch."""
    done = own_loop(tmp_path_factory.mktemp("ours"))
    done.run()
    return done
