"""An app of Dify, as its callers hold it: what it tells of itself and of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.transport.loop import awaiting, wait
from nbkit.wire.dify.logs import log_query

if TYPE_CHECKING:
    from nbkit.client.session import Session
    from nbkit.model.endpoint import Endpoint
    from nbkit.model.records import Records
    from nbkit.wire.dify.logs import Moment

_PAGE = 20


class AppQuestions:
    """The questions to one app; they are asked on the network thread."""

    def __init__(self, session: Session, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._session = session

    async def info(self) -> dict[str, Any]:
        """Its name, what it is for, and where."""
        return await (await self._session.dify(self.endpoint)).app.info()

    async def told(self, what: str) -> dict[str, Any]:
        """Its `parameters`, `site` or `meta`."""
        return await (await self._session.dify(self.endpoint)).app.asked(what)

    async def logs(self, query: dict[str, Any]) -> Records:
        """Its runs."""
        return await (await self._session.dify(self.endpoint)).app.logs(query)

    def __repr__(self) -> str:
        return f"<app {self.endpoint}>"


class DifyApp:
    """An app of Dify: `client.dify("my-cat")`.

    Every method asks the server, and may raise `CredentialsError` (there is no such connection), `ServiceError` (the
    server refuses, or is of a version that does not have this) and `ConnectionFailed`.
    """

    def __init__(self, questions: AppQuestions) -> None:
        self._questions = questions

    def info(self) -> dict[str, Any]:
        """What it is: `name`, `description`, and in newer versions `mode`, `tags` and `author_name`.

        `version` is the server's, as its answers name it, or an empty string; `base_url` is where it is.
        """
        return wait(self._questions.info())

    def parameters(self) -> dict[str, Any]:
        """What it takes (`user_input_form`), its texts and its limits, as the server tells it.

        `client.schema` tells the inputs in nbkit's way.
        """
        return wait(self._questions.told("parameters"))

    def site(self) -> dict[str, Any]:
        """Title, icon, language and so on of its page, as the server tells it. Dify 1.4 and newer."""
        return wait(self._questions.told("site"))

    def meta(self) -> dict[str, Any]:
        """The icons of its tools, as the server tells it."""
        return wait(self._questions.told("meta"))

    def logs(
        self,
        *,
        keyword: str | None = None,
        status: str | None = None,
        before: Moment | None = None,
        after: Moment | None = None,
        user: str | None = None,
        page: int = 1,
        limit: int = _PAGE,
    ) -> Records:
        """Its runs, the newest first, without their inputs and outputs. Dify 0.9 and newer.

        Args:
            keyword: What their inputs or outputs, or who asked, must hold.
            status: `succeeded`, `failed` or `stopped`.
            before: A datetime, a date or ISO text; without a time zone it is this machine's.
            after: The same.
            user: Who asked for them.
            page: Which page, from 1.
            limit: How many on a page, from 1 to 100.

        Returns:
            Rows with `run`, `status`, `created` and `finished` (datetimes in UTC), `seconds`, `steps`, `tokens`,
            `error`, `user`, `from` and `version`: a table in a notebook, `.to_records()` for a data frame.

        Raises:
            InputError: A moment is not one.
        """
        return wait(self._questions.logs(log_query(keyword, status, before, after, user, page, limit)))

    def __repr__(self) -> str:
        return repr(self._questions)


class AsyncDifyApp:
    """`DifyApp` for asynchronous code."""

    def __init__(self, questions: AppQuestions) -> None:
        self._questions = questions

    async def info(self) -> dict[str, Any]:
        """As `DifyApp.info`."""
        return await awaiting(self._questions.info())

    async def parameters(self) -> dict[str, Any]:
        """As `DifyApp.parameters`."""
        return await awaiting(self._questions.told("parameters"))

    async def site(self) -> dict[str, Any]:
        """As `DifyApp.site`."""
        return await awaiting(self._questions.told("site"))

    async def meta(self) -> dict[str, Any]:
        """As `DifyApp.meta`."""
        return await awaiting(self._questions.told("meta"))

    async def logs(
        self,
        *,
        keyword: str | None = None,
        status: str | None = None,
        before: Moment | None = None,
        after: Moment | None = None,
        user: str | None = None,
        page: int = 1,
        limit: int = _PAGE,
    ) -> Records:
        """As `DifyApp.logs`."""
        return await awaiting(
            self._questions.logs(log_query(keyword, status, before, after, user, page, limit))
        )

    def __repr__(self) -> str:
        return repr(self._questions)
