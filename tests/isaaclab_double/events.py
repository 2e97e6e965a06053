"""Kit's event streams, timeline and app, as far as Isaac Lab listens to them."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Handler = Callable[[Any], Any]


@dataclass(eq=False)
class Subscription:
    """Ends with `unsubscribe`."""

    stream: "EventStream"
    kind: int | None
    handler: Handler
    order: int

    def unsubscribe(self) -> None:
        if self in self.stream.subscriptions:
            self.stream.subscriptions.remove(self)


@dataclass
class EventStream:
    """Handlers are called at once, those with the lowest order first."""

    subscriptions: list[Subscription] = field(default_factory=list)

    def create_subscription_to_pop_by_type(
        self, kind: int, handler: Handler, order: int = 0, name: str | None = None
    ) -> Subscription:
        return self._add(int(kind), handler, order)

    def create_subscription_to_pop(self, handler: Handler, order: int = 0, name: str | None = None) -> Subscription:
        return self._add(None, handler, order)

    def dispatch(self, kind: int | None = None) -> None:
        for subscription in sorted(self.subscriptions, key=lambda entry: entry.order):
            if subscription.kind in (None, kind):
                subscription.handler(None)

    def _add(self, kind: int | None, handler: Handler, order: int) -> Subscription:
        self.subscriptions.append(Subscription(self, kind, handler, order))
        return self.subscriptions[-1]


class TimelineEventType(enum.IntEnum):
    """Kinds of events of a timeline."""

    PLAY = 0
    PAUSE = 1
    STOP = 2


class Timeline:
    """Playing, paused or stopped."""

    def __init__(self) -> None:
        self.stream, self.state = EventStream(), TimelineEventType.STOP

    def get_timeline_event_stream(self) -> EventStream:
        return self.stream

    def is_playing(self) -> bool:
        return self.state == TimelineEventType.PLAY

    def is_stopped(self) -> bool:
        return self.state == TimelineEventType.STOP

    def play(self) -> None:
        self._enter(TimelineEventType.PLAY)

    def pause(self) -> None:
        self._enter(TimelineEventType.PAUSE)

    def stop(self) -> None:
        if not self.is_stopped():
            self._enter(TimelineEventType.STOP)

    def _enter(self, state: TimelineEventType) -> None:
        self.state = state
        self.stream.dispatch(state)


class App:
    """The running app; an update does nothing but tell those who listen."""

    def __init__(self) -> None:
        self.post_update = EventStream()

    def get_post_update_event_stream(self) -> EventStream:
        return self.post_update

    def update(self) -> None:
        self.post_update.dispatch()

    def is_running(self) -> bool:
        return True

    def shutdown(self) -> None: ...
