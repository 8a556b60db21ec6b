"""OpenTelemetry traces: how long the parts of a request took, sent to the one address that the operator names.

Off by default: nothing of OpenTelemetry is imported, `span` costs about a microsecond, and nothing leaves the machine.
A span has a name, its times and a few figures; never what somebody said, and no exception's message, which may quote it.
A caller's own trace headers are not read: a stranger shall not decide what is recorded. Needs requirements/tracing.txt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from foundations.errors import InputError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

SERVICE_NAME = "sales-conversion"
_SEND_SECONDS = 2.0  # for one sending, and so at most for the last one, when the service ends
_OFF: AbstractContextManager[None] = nullcontext()
_tracer: Tracer | None = None


def span(name: str, **figures: int | str) -> AbstractContextManager[Span | None]:
    """A part of the work, inside the one that this thread or task is in; None where traces are off."""
    if _tracer is None:
        return _OFF
    return _tracer.start_as_current_span(
        name, attributes=figures, record_exception=False, set_status_on_exception=False
    )


def sent_traces(endpoint: str) -> AbstractContextManager[None]:
    """Within this block spans are sent to `endpoint`, by OTLP over HTTP, from a thread; an empty one leaves them off.

    Raises InputError where the packages are missing. A collector that is away costs no request anything: its spans are lost.
    """
    if not endpoint:
        return _OFF
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError as error:
        message = f"SALES_TRACES_ENDPOINT needs the package {error.name!r}: pip install -r requirements/tracing.txt"
        raise InputError(message) from error
    return recorded_traces(OTLPSpanExporter(endpoint=endpoint, timeout=_SEND_SECONDS))


@contextmanager
def recorded_traces(exporter: SpanExporter) -> Iterator[None]:
    """Within this block all spans of this process are handed to `exporter`, the last of them at its end."""
    global _tracer  # noqa: PLW0603 — one for the process, as a log is; a parameter would go through every room
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE_NAME}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer(SERVICE_NAME)
    try:
        yield
    finally:
        _tracer = None
        provider.shutdown()
