"""Every address of the console, with the permission it needs on the same line."""

from __future__ import annotations

from bot import pictures as limits
from bot import sheets
from bot.permissions import Permission as P  # noqa: N817 - so that each route stays on one line
from handlers.web import (
    accounts,
    alert_form,
    alerts,
    audience,
    audit,
    audit_files,
    auth,
    group_warning,
    health,
    home,
    leads,
    library,
    library_form,
    library_try,
    live,
    own_account,
    people,
    phone,
    pictures,
    portal,
    questions,
    reach,
    reach_drafts,
    reach_files,
    reach_league,
    registry,
    remind,
    settings_page,
    short_page,
    system,
    tokens,
    unit_steps,
    units,
    users,
)
from handlers.web.api import pages as api_pages
from handlers.web.local_chat import local_chat_routes
from handlers.web.rights import PUBLIC, SIGNED_IN, SMALL, Route

PICTURE = limits.MAX_BYTES + SMALL
SHEET = sheets.MAX_BYTES + SMALL
ENTRY = 2 * 1024 * 1024  # a type of the library with every list full

ROUTES: list[Route] = [
    Route("GET", "/healthz", health.healthz, PUBLIC),
    Route("GET", "/readyz", health.readyz, PUBLIC),
    Route("GET", "/metrics", health.metrics_text, PUBLIC),  # this machine, or a token
    #
    Route("GET", "/login", auth.login_page, PUBLIC),
    Route("POST", "/login", auth.login, PUBLIC),
    Route("POST", "/logout", auth.logout, SIGNED_IN, before_password=True),
    Route("GET", "/login/code", auth.code_page, PUBLIC),
    Route("POST", "/login/code", auth.login_code, PUBLIC),
    Route("GET", "/account", own_account.account_page, SIGNED_IN, before_password=True),
    Route("GET", "/account/password", own_account.account_page, SIGNED_IN, before_password=True),
    Route("POST", "/account/password", own_account.save_password, SIGNED_IN, before_password=True),
    Route("POST", "/account/second_factor", own_account.begin_second_factor, SIGNED_IN),
    Route("GET", "/account/second_factor", own_account.second_factor_page, SIGNED_IN),
    Route("POST", "/account/second_factor/confirm", own_account.confirm_second_factor, SIGNED_IN),
    Route("POST", "/account/second_factor/codes", own_account.renew_recovery, SIGNED_IN),
    Route("POST", "/account/second_factor/off", own_account.end_second_factor, SIGNED_IN),
    Route("POST", "/account/sessions", own_account.end_sessions, SIGNED_IN),
    Route("GET", "/account/tokens", tokens.tokens_page, SIGNED_IN),
    Route("POST", "/account/tokens", tokens.add_token, SIGNED_IN),
    Route("POST", "/account/tokens/{id}/revoke", tokens.end_token, SIGNED_IN),
    Route("GET", "/api/docs", api_pages.docs, SIGNED_IN),
    Route("GET", "/api/docs/models", api_pages.models, SIGNED_IN),
    #
    Route("GET", "/", home.dashboard, P.SEE),
    Route("GET", "/live", live.running_events, P.SEE_ALERTS),
    #
    Route("GET", "/alerts", alerts.alert_list, P.SEE_ALERTS),
    Route("POST", "/alerts", alert_form.create_alert, P.WRITE_ALERT, limit=PICTURE),
    Route("GET", "/alerts/new", alert_form.new_alert, P.WRITE_ALERT),
    Route("GET", "/alerts/audience", audience.audience_json, P.WRITE_ALERT),
    Route("GET", "/alerts/{id}", alerts.alert_page, P.SEE_ALERTS),
    Route("GET", "/alerts/{id}/events", live.alert_events, P.SEE_ALERTS),
    Route("GET", "/alerts/{id}/reach", reach.alert_reach, P.SEE),
    Route("GET", "/alerts/{id}/reach/rows", reach.alert_reach_rows, P.SEE),
    Route("GET", "/alerts/{id}/reach/timeline", reach.alert_timeline, P.SEE),
    Route("GET", "/alerts/{id}/reach/files/{name}", reach_files.alert_file, P.SEE),
    Route("POST", "/alerts/{id}/reach/draft", reach_drafts.draft_of_alert, P.WRITE_ALERT),
    Route("GET", "/alerts/{id}/edit", alert_form.edit_alert, P.WRITE_ALERT),
    Route("POST", "/alerts/{id}/edit", alert_form.update_alert, P.WRITE_ALERT, limit=PICTURE),
    Route("POST", "/alerts/{id}/submit", alerts.submit, P.WRITE_ALERT),
    Route("POST", "/alerts/{id}/send_back", alerts.send_back, P.WRITE_ALERT),  # the author too; else reviewers only
    Route("POST", "/alerts/{id}/release", alerts.release, P.REVIEW_ALERT),
    Route("POST", "/alerts/{id}/pause", alerts.pause, P.RUN_ALERT),
    Route("POST", "/alerts/{id}/resume", alerts.resume, P.RUN_ALERT),
    Route("POST", "/alerts/{id}/cancel", alerts.cancel, P.RUN_ALERT),
    Route("POST", "/alerts/{id}/deliveries/{delivery}", alerts.decide, P.RUN_ALERT),
    Route("POST", "/alerts/{id}/remind", remind.remind, P.RUN_ALERT),
    Route("GET", "/pictures/{id}/{token}", pictures.picture, P.SEE_ALERTS),
    #
    Route("GET", "/alerts/{id}/links.csv", short_page.links, P.SEE_ALERTS),
    Route("GET", "/a/{token}", short_page.short_page, PUBLIC),
    Route("GET", "/a/{token}/picture", short_page.short_picture, PUBLIC),
    #
    Route("GET", "/m/{token}", phone.phone_page, PUBLIC),
    Route("POST", "/m/{token}/report", phone.report, PUBLIC, cookieless=True, secret_address=True),
    Route("POST", "/m/{token}/undo", phone.undo, PUBLIC, cookieless=True, secret_address=True),
    #
    Route("GET", "/units", units.unit_tree, P.SEE),
    Route("GET", "/units/search", units.search_units, P.SEE),
    Route("GET", "/units/{id}", units.unit_page, P.SEE),
    Route("GET", "/units/{id}/children", units.unit_children, P.SEE),
    Route("GET", "/units/{id}/manage", unit_steps.manage_page, P.REGISTRY),
    Route("POST", "/units/{id}/steps", unit_steps.take_step, P.REGISTRY),
    Route("POST", "/units/{id}/undo/{entry}", unit_steps.undo_step, P.REGISTRY),
    Route("POST", "/groups/{id}/retire", unit_steps.retire_group, P.REGISTRY),
    Route("POST", "/groups/{id}/restore", unit_steps.restore_group, P.REGISTRY),
    Route("GET", "/units/{id}/reach", reach_league.unit_reach, P.SEE),
    Route("GET", "/units/{id}/reach/files/{name}", reach_files.unit_file, P.SEE),
    Route("POST", "/units/{id}/reach/draft", reach_drafts.draft_of_unit, P.WRITE_ALERT),
    Route("GET", "/reach", reach_league.league_page, P.SEE),
    Route("GET", "/reach/files/{name}", reach_files.league_file, P.SEE),
    Route("POST", "/reach/draft", reach_drafts.draft_of_league, P.WRITE_ALERT),
    Route("GET", "/groups/search", units.search_groups, P.SEE),
    #
    Route("GET", "/questions", leads.inbox, P.QUESTIONS),
    Route("GET", "/questions/all", questions.questions_page, P.QUESTIONS),
    Route("GET", "/leads/now", leads.inbox_now, P.QUESTIONS),
    Route("GET", "/leads/events", leads.lead_events, P.QUESTIONS),
    Route("GET", "/leads/alarms", leads.alarms, P.QUESTIONS),
    Route("POST", "/leads/{id}/claim", leads.claim, P.QUESTIONS),
    Route("POST", "/leads/{id}/assign", leads.assign, P.QUESTIONS),
    Route("POST", "/leads/{id}/answer", leads.answer, P.QUESTIONS),
    Route("POST", "/leads/{id}/example", leads.example, P.LIBRARY),
    Route("POST", "/leads/{id}/close", leads.close, P.QUESTIONS),
    Route("POST", "/groups/{id}/warning", group_warning.change, P.REGISTRY),
    #
    Route("GET", "/library", library.library_page, P.LIBRARY),
    Route("GET", "/library/new", library_form.new_type, P.LIBRARY),
    Route("POST", "/library/new", library_form.create_type, P.LIBRARY),
    Route("POST", "/library/preview", library_form.preview, P.LIBRARY, limit=ENTRY),
    Route("GET", "/library/try", library_try.try_page, P.LIBRARY),
    Route("POST", "/library/try", library_try.try_message, P.LIBRARY),
    Route("GET", "/library/types/{type}", library.type_page, P.LIBRARY),
    Route("GET", "/library/types/{type}/seed", library.seed_page, P.LIBRARY),
    Route("POST", "/library/types/{type}/edit", library.begin, P.LIBRARY),
    Route("POST", "/library/types/{type}/retire", library.retire, P.LIBRARY),
    Route("POST", "/library/types/{type}/restore", library.restore, P.REVIEW_LIBRARY),
    Route("GET", "/library/revisions/{id}", library.revision_page, P.LIBRARY),
    Route("GET", "/library/revisions/{id}/edit", library_form.edit_page, P.LIBRARY),
    Route("POST", "/library/revisions/{id}/edit", library_form.save, P.LIBRARY, limit=ENTRY),
    Route("POST", "/library/revisions/{id}/submit", library.submit, P.LIBRARY),
    Route("POST", "/library/revisions/{id}/send_back", library.send_back, P.LIBRARY),  # authors; else reviewers only
    Route("POST", "/library/revisions/{id}/discard", library.discard, P.LIBRARY),  # authors; else reviewers only
    Route("POST", "/library/revisions/{id}/approve", library.approve, P.REVIEW_LIBRARY),
    #
    Route("GET", "/ask", portal.ask_page, PUBLIC),
    Route("GET", "/ask/messages", portal.news, PUBLIC),
    Route("POST", "/ask/messages", portal.say, PUBLIC, limit=portal.BODY, cookieless=True),
    Route("GET", "/widget.js", portal.widget, PUBLIC),
    #
    Route("GET", "/accounts", accounts.accounts_page, P.SEE_ALERTS),
    Route("GET", "/accounts/now", accounts.accounts_now, P.SEE_ALERTS),
    Route("POST", "/accounts/rooms", accounts.assign, P.REGISTRY),
    Route("POST", "/accounts/groups/{id}", accounts.change_account, P.REGISTRY),
    #
    Route("GET", "/registry", registry.registry_page, P.REGISTRY),
    Route("POST", "/registry/preview", registry.preview, P.REGISTRY, limit=SHEET),
    Route("POST", "/registry/import", registry.confirm, P.REGISTRY),
    Route("GET", "/registry/template.xlsx", registry.template, P.REGISTRY),
    Route("GET", "/registry/export.xlsx", registry.export_xlsx, P.REGISTRY),
    Route("GET", "/registry/units.csv", registry.export_units, P.REGISTRY),
    Route("GET", "/registry/groups.csv", registry.export_groups, P.REGISTRY),
    #
    Route("GET", "/people", people.people_page, P.PEOPLE),
    Route("POST", "/people/codes", people.add_code, P.PEOPLE),
    Route("POST", "/people/codes/{id}/revoke", people.revoke, P.PEOPLE),  # codes of staff: administrators only
    Route("POST", "/people/{id}/role", people.set_role, P.PEOPLE),  # administrators only
    Route("POST", "/people/{id}/links", people.end_links, P.PEOPLE),
    Route("POST", "/people/{id}/unbind", people.end_binding, P.PEOPLE),  # staff: administrators only
    #
    Route("GET", "/audit", audit.audit_page, P.AUDIT),
    Route("GET", "/audit/files/{name}", audit_files.audit_file, P.AUDIT),
    #
    Route("GET", "/system", system.system_page, P.USERS),
    Route("GET", "/settings", settings_page.settings_page, P.USERS),
    Route("GET", "/users", users.users_page, P.USERS),
    Route("POST", "/users", users.add_user, P.USERS),
    Route("POST", "/users/unlock_addresses", users.unlock_all_addresses, P.USERS),
    Route("POST", "/users/{id}/unlock", users.unlock, P.USERS),
    Route("POST", "/users/{id}/second_factor_off", users.second_factor_off, P.USERS),
    Route("POST", "/users/{id}/reset", users.reset, P.USERS),
    Route("POST", "/users/{id}/disable", users.disable, P.USERS),
    Route("POST", "/users/{id}/enable", users.enable, P.USERS),
    #
    *local_chat_routes(),
]
