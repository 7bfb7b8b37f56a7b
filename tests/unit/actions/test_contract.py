"""The backend that does nothing keeps the contract as far as it can be asked to."""

from f2b.actions.base import Backend
from f2b.actions.contract import BackendContract
from f2b.actions.null import Null


class TestNull(BackendContract):
    def make(self) -> Backend:
        return Null()

    def holds(self, backend: Backend, jail: str) -> None:
        """Nobody is kept out."""
