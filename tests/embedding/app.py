"""Mailroom, an app of a team that has never heard of us: sessions, forms, a database, an API with tokens, rates.

It was written first; the assistant came later, in `with_assistant`, which is all that a team adds.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, g, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.exceptions import HTTPException

from assistant import Assistant, ask, chunk, stage
from assistant.protocols import LLMProvider
from assistant.signals import processing_finished


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(UserMixin, db.Model):  # type: ignore[misc, name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]


class Message(db.Model):  # type: ignore[misc, name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    thread: Mapped[str]
    role: Mapped[str]
    content: Mapped[str]
    sent_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


def create_app(folder: Path) -> Flask:
    """The app as it was before."""
    app = Flask("mailroom")
    app.config.update(
        SECRET_KEY="the-mailroom-keeps-its-sessions-safe",
        JWT_SECRET_KEY="the-mailroom-keeps-its-tokens-safe-too",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'mailroom.db'}",
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 2, "max_overflow": 0, "pool_timeout": 2},
        MAX_CONTENT_LENGTH=1_000,
        PROPAGATE_EXCEPTIONS=False,
    )
    db.init_app(app)
    CSRFProtect(app)
    _logins(app)
    _api(app)
    _pages(app)
    _manners(app)
    with app.app_context():
        db.create_all()
        db.session.add_all([User(name="ann", password="a"), User(name="eve", password="e")])
        db.session.commit()
    return app


def _logins(app: Flask) -> None:
    manager = LoginManager(app)

    @manager.user_loader
    def load(user_id: str) -> User | None:
        return db.session.get(User, int(user_id))

    @manager.unauthorized_handler
    def unauthorized() -> tuple[str, int]:
        return "Please log in to the mailroom.", 401


def _api(app: Flask) -> None:
    manager = JWTManager(app)
    limiter = Limiter(get_remote_address, app=app, default_limits=["30/minute"], storage_uri="memory://")

    @manager.unauthorized_loader
    def missing(reason: str) -> tuple[Response, int]:
        return jsonify(mailroom="no token"), 401

    @manager.invalid_token_loader
    def invalid(reason: str) -> tuple[Response, int]:
        return jsonify(mailroom="bad token"), 401

    @app.get("/api/me")
    @jwt_required()
    def me() -> Response:
        return jsonify(user=get_jwt_identity())

    @app.get("/api/rare")
    @limiter.limit("2/minute")
    def rare() -> Response:
        return jsonify(ok=True)


def _pages(app: Flask) -> None:
    @app.get("/form")
    def form() -> str:
        return generate_csrf()

    @app.post("/login")
    def login() -> Any:
        user = db.session.query(User).filter_by(name=request.form["name"], password=request.form["password"]).first()
        if user is None:
            abort(401)
        login_user(user)
        return jsonify(token=create_access_token(str(user.id)))

    @app.post("/logout")
    def logout() -> str:
        logout_user()
        return "bye"

    @app.post("/messages/<thread>")
    @login_required
    def send(thread: str) -> tuple[str, int]:
        db.session.add(Message(user_id=current_user.id, thread=thread, role="user", content=request.form["text"]))
        db.session.commit()
        return "sent", 201

    @app.get("/messages/<thread>")
    @login_required
    def read(thread: str) -> Response:
        rows = db.session.query(Message).filter_by(user_id=current_user.id, thread=thread).order_by(Message.id)
        return jsonify([{"role": row.role, "content": row.content} for row in rows])

    @app.get("/crash")
    def crash() -> str:
        raise RuntimeError("the mailroom has a bug")


def _manners(app: Flask) -> None:
    for code in (400, 401, 404, 405, 413, 429):

        @app.errorhandler(code)
        def refused(error: HTTPException) -> tuple[str, int]:
            return f"Mailroom says {error.code}.", error.code or 500

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[str, int]:
        return "Mailroom is sorry.", 500

    @app.before_request
    def read_body() -> None:
        g.size = len(request.get_data()) if request.content_length and request.content_length < 1_000 else 0

    @app.after_request
    def sign(response: Response) -> Response:
        response.headers["X-Mailroom"] = "1"
        return response

    @app.teardown_appcontext
    def count(_: BaseException | None) -> None:
        app.extensions["teardowns"] = app.extensions.get("teardowns", 0) + 1


# --- what the team adds for the assistant ---
def with_assistant(app: Flask, provider: LLMProvider | None = None) -> Assistant:
    """Mounts the assistant under /helper, with the mailroom's own logins, its own history and a mode of its own."""
    app.config["ASSISTANT_URL_PREFIX"] = "/helper"
    # a lambda, because `current_user` is another one in each request
    assistant = Assistant(app, identify=lambda: current_user.get_id(), provider=provider)  # noqa: PLW0108

    @assistant.system("chat")
    def system(run: Any) -> str:
        return f"You help {db.session.get(User, int(run.user_id)).name} with the mail."

    @assistant.history
    def history(run: Any) -> list[Message]:
        rows = db.session.query(Message).filter_by(user_id=int(run.user_id), thread=run.request.track_id)
        return list(rows.order_by(Message.id))

    @processing_finished.connect_via(app)
    def save(sender: Flask, *, ctx: Any, result: Any, **_: Any) -> None:
        said = {"user": ctx.prompt, "assistant": result.get("text", "")}
        for role, content in said.items():
            row = Message(user_id=int(ctx.user_id), thread=ctx.track_id or "", role=role, content=content)
            db.session.add(row)
        db.session.commit()

    @assistant.action("file_letter", wants="approval")
    class FileLetter(BaseModel):
        """Puts a letter into a folder, once the user agrees."""

        folder: str

    @assistant.handler("sort")
    def sort(run: Any) -> Generator[Any, Any, None]:
        yield stage("counting", "Counting your letters")
        letters = db.session.query(Message).filter_by(user_id=int(run.user_id)).count()
        db.session.commit()  # the connection goes back before the long wait
        yield ask("file_letter", {"folder": "inbox"})
        yield chunk(f"{current_app.name}: {letters} letters filed.")

    app.extensions["mailroom-save"] = save  # a signal holds its receivers weakly
    return assistant
