"""What each of Slack's refusals means for us: every `error` of an `ok: false` has a decided outcome.

From the error tables of the methods' pages on docs.slack.dev. Acting on it is for `sending` (whether it
is worth another try) and `posting` (what becomes of the message).
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

# Whatever a call of the SDK raises when Slack says no, nothing, or something else than JSON.
NO_ANSWER = (SlackApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError)


class Meaning(Enum):
    PASSING = auto()  # nothing was done; the same call may go well later
    UNCLEAR = auto()  # perhaps it was done
    TOKEN = auto()  # nothing can be said at all until an operator acts
    PLACE = auto()  # nothing can be said there, by whomever and however
    THREAD = auto()  # nothing can be said in this thread
    MESSAGE = auto()  # this message cannot be changed any more
    SHAPE = auto()  # it cannot be said like this; plainer it may be


_ERRORS: Mapping[Meaning, tuple[str, ...]] = {
    Meaning.PASSING: (
        "external_channel_migrating",
        "message_limit_exceeded",
        "org_login_required",  # the workspace is being moved to an organisation
        "rate_limited",
        "ratelimited",
        "request_timeout",  # the request came incomplete, whatever its name says
        "service_unavailable",
        "streaming_state_conflict",
        "team_added_to_org",
        "update_failed",
    ),
    Meaning.UNCLEAR: (  # "it's possible some aspect of the operation succeeded"
        "fatal_error",
        "internal_error",
    ),
    Meaning.TOKEN: (
        "accesslimited",
        "account_inactive",
        "deprecated_endpoint",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "method_deprecated",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    ),
    Meaning.PLACE: (
        "access_denied",
        "cannot_dm_bot",
        "channel_not_found",
        "channel_type_not_supported",
        "is_archived",
        "is_inactive",
        "messages_tab_disabled",
        "no_permission",
        "not_in_channel",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "team_not_found",
        "user_disabled",
        "user_not_found",
    ),
    Meaning.THREAD: (
        "cannot_reply_to_message",
        "restricted_action_non_threadable_channel",
        "restricted_action_thread_locked",
        "thread_not_found",
    ),
    Meaning.MESSAGE: (
        "block_mismatch",
        "cant_broadcast_message",
        "cant_update_message",
        "edit_window_closed",
        "message_not_found",
    ),
}
_MEANINGS = {error: meaning for meaning, errors in _ERRORS.items() for error in errors}


def said(problem: SlackApiError) -> tuple[int, str | None]:
    """The status, and the error code; None: it was no JSON, and the SDK hands on aiohttp's own answer."""
    response: Any = problem.response
    if not hasattr(response, "status_code"):
        return int(getattr(response, "status", 0)), None
    data = response.data
    return int(response.status_code), data.get("error") if isinstance(data, dict) else None


def meaning(method: str, error: str) -> Meaning:
    """Takes what Slack does not document as a mistake of ours in what was said: said plainer, once."""
    if error == "missing_scope" and not method.startswith("chat."):
        return Meaning.PLACE  # we can do without everything but posting
    return _MEANINGS.get(error, Meaning.SHAPE)
