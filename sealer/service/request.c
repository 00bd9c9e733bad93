/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/request.h"
#include "attest/challenge.h"
#include "base/error.h"
#include "base/file.h"
#include "service/attesting.h"
#include "service/bouncer.h"
#include "service/dbus-error.h"
#include "service/fds.h"
#include "service/manager.h"
#include "service/patience.h"
#include "service/polkit.h"
#include "service/secret-in.h"
#include "service/secret-out.h"

#include <unistd.h>

#define PIN_MAX 256
/* The written form with room for white space around it. */
#define RECOVERY_TEXT_MAX 256
/* For TEE and host, by most methods; libdbus gives up a call after 25 seconds. */
#define PATIENCE_S 10
/* So many wait for longer than that at a time. */
#define PATIENT_MAX 4

typedef struct {
    CvsService *service;
    const CvsMethod *method;
    GDBusMethodInvocation *invocation;
    CvsCaller *caller; /* NULL until it is known */
    CvsPlace *place;   /* NULL until he has got one */
    gboolean has_owner;
    int secret_fd;
    gint64 deadline; /* monotonic: all secrets are in by then */
    CvsSecret **reading;
    guint answers;        /* of the service, when the worker was given this */
    GSource *patience;    /* while it waits for an answer */
    gboolean has_waited;  /* and what follows is set */
    gint64 patient_until; /* on the clock */
    gboolean patient;     /* one of PATIENT_MAX, whose caller is watched */
    guint watch;          /* number of that */
    gboolean gone;        /* the caller has left the bus */
    GVariant *properties; /* of the attestation, if the worker has changed it */
    CvsOperation op;
} Request;

static void
request_free(Request *request)
{
    CvsService *service = request->service;

    if (request->patient) {
        g_bus_unwatch_name(request->watch);
        service->patient--;
    }
    cvs_place_unref(request->place);
    cvs_caller_unref(request->caller);
    cvs_fds_bury(&request->secret_fd);
    cvs_operation_clear(&request->op);
    g_free(request);
    service->open--;
    if (service->stopping && service->open == 0 && service->drained)
        service->drained(service->drained_data);
}

static void
write_audit(const Request *request)
{
    const GError *error = request->op.error;
    CvsAuditRecord record = {
        .message_id = request->method->audit_id,
        .method = request->method->name,
        .key = request->op.name,
        .owner = request->has_owner ? &request->op.owner : NULL,
        .error = error,
    };

    if (request->caller == NULL)
        return;
    /* Whoever is turned away for the crowd comes again, and would crowd the journal too. */
    if (g_error_matches(error, CVS_ERROR, CVS_ERROR_BUSY))
        return;
    if (request->method->audit_id == NULL &&
        !g_error_matches(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED))
        return;
    record.uid = request->caller->uid;
    record.unit = request->caller->unit;
    cvs_audit_write(request->service->audit, &record);
}

/* The secret as a descriptor: everything that can fail is done before anything is sent. */
static void
answer_with_secret(Request *request)
{
    g_autoptr(GUnixFDList) fds = NULL;
    int fd = cvs_secret_out_pipe(request->op.released, &request->op.error);

    if (fd < 0)
        return;
    fds = g_unix_fd_list_new_from_array(&fd, 1);
    write_audit(request);
    g_dbus_method_invocation_return_value_with_unix_fd_list(g_steal_pointer(&request->invocation),
                                                            g_variant_new("(h)", 0), fds);
}

static void
answer_with_fd(Request *request)
{
    int fd = cvs_steal_fd(&request->op.reply_fd);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);

    write_audit(request);
    g_dbus_method_invocation_return_value_with_unix_fd_list(g_steal_pointer(&request->invocation),
                                                            request->op.reply, fds);
}

/* In any thread. The place is given up first: whoever has the answer may call again. */
static void
answer(Request *request)
{
    g_clear_pointer(&request->place, cvs_place_unref);
    if (request->op.error == NULL && request->op.released)
        answer_with_secret(request);
    if (request->op.error == NULL && request->op.reply_fd >= 0)
        answer_with_fd(request);
    if (request->invocation) {
        write_audit(request);
        if (request->op.error)
            cvs_dbus_error_return(g_steal_pointer(&request->invocation), request->op.error,
                                  request->op.options.reasons);
        else
            g_dbus_method_invocation_return_value(g_steal_pointer(&request->invocation),
                                                  request->op.reply);
    }
}

static void
finish(Request *request)
{
    if (request->invocation)
        answer(request);
    request_free(request);
}

static void
fail(Request *request, GError *error)
{
    g_clear_error(&request->op.error);
    request->op.error = error;
    finish(request);
}

static void
run_in_worker(CvsTpm *tpm, CvsStore *store, gpointer data)
{
    Request *request = data;
    CvsService *service = request->service;
    CvsAttesterState state;

    request->method->run(tpm, store, &request->op);
    state = cvs_attester_look(service->attester);
    if (state.change != service->attester_change) {
        service->attester_change = state.change;
        request->properties = cvs_attesting_properties(&state);
    } else if (!cvs_error_has_reason(request->op.error, CVS_REASON_ATTESTATION_UNDER_WAY)) {
        /* Nothing is left for the main loop to do before. */
        answer(request);
    }
}

static void on_worked(gpointer data);

static void
work(Request *request)
{
    request->answers = request->service->answers;
    cvs_worker_push(request->service->worker, request->caller->uid, run_in_worker, on_worked,
                    request);
}

/* The request waits no more. */
static void
wake(Request *request)
{
    g_queue_remove(&request->service->waiting, request);
    g_source_destroy(request->patience);
    g_clear_pointer(&request->patience, g_source_unref);
}

static gboolean
on_impatient(gpointer data)
{
    Request *request = data;

    wake(request);
    finish(request);
    return G_SOURCE_REMOVE;
}

static gint64
now(const Request *request)
{
    const CvsPaceClock *clock = request->service->clock;

    return clock->now(clock->data);
}

static void
await_answer(Request *request)
{
    request->patience = cvs_patience_new(request->service->clock, request->patient_until);
    g_source_set_callback(request->patience, on_impatient, request, NULL);
    g_source_attach(request->patience, g_main_context_get_thread_default());
    g_queue_push_tail(&request->service->waiting, request);
}

static void
end_gone(Request *request)
{
    fail(request, g_error_new(CVS_ERROR, CVS_ERROR_BUSY, "the caller has left the bus"));
}

static void
on_gone(GDBusConnection *connection, const char *name, gpointer data)
{
    Request *request = data;

    request->gone = TRUE;
    if (request->patience == NULL) /* the worker is at it */
        return;
    wake(request);
    end_gone(request);
}

/* From now on it waits, at most until then. */
static void
begin_to_wait(Request *request)
{
    CvsService *service = request->service;
    guint patience_s = PATIENCE_S;

    request->has_waited = TRUE;
    if (request->method->patience_s > 0 && service->patient < PATIENT_MAX) {
        patience_s = request->method->patience_s;
        request->patient = TRUE;
        service->patient++;
        request->watch = g_bus_watch_name_on_connection(
            service->connection, g_dbus_method_invocation_get_sender(request->invocation),
            G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, on_gone, request, NULL);
    }
    request->patient_until = now(request) + patience_s * G_TIME_SPAN_SECOND;
}

static void
refuse_to_wait(Request *request)
{
    fail(request,
         g_error_new(CVS_ERROR, CVS_ERROR_BUSY, "the service is stopping: try again later"));
}

static void
try_again(Request *request)
{
    g_clear_error(&request->op.error);
    work(request);
}

static void
on_worked(gpointer data)
{
    Request *request = data;
    CvsService *service = request->service;

    if (request->properties)
        cvs_manager_set_properties(service, g_steal_pointer(&request->properties));
    if (request->invocation == NULL ||
        !cvs_error_has_reason(request->op.error, CVS_REASON_ATTESTATION_UNDER_WAY)) {
        finish(request);
        return;
    }
    if (service->stopping) {
        refuse_to_wait(request);
        return;
    }
    if (request->gone) {
        end_gone(request);
        return;
    }
    if (!request->has_waited)
        begin_to_wait(request);
    /* It may have come while the worker was at this one. */
    if (request->answers != service->answers && now(request) < request->patient_until)
        try_again(request);
    else
        await_answer(request);
}

void
cvs_request_on_answer(CvsService *service)
{
    GQueue waiting = service->waiting;
    GQueue last = G_QUEUE_INIT;

    service->answers++;
    g_queue_init(&service->waiting);
    for (Request *request = g_queue_pop_head(&waiting); request;
         request = g_queue_pop_head(&waiting)) {
        wake(request);
        /* Whoever has less time comes first. */
        if (request->patient)
            g_queue_push_tail(&last, request);
        else
            try_again(request);
    }
    for (Request *request = g_queue_pop_head(&last); request; request = g_queue_pop_head(&last))
        try_again(request);
}

void
cvs_request_end_waiting(CvsService *service)
{
    while (!g_queue_is_empty(&service->waiting)) {
        Request *request = g_queue_peek_head(&service->waiting);

        wake(request);
        refuse_to_wait(request);
    }
}

static void read_secrets(Request *request);

static void
on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    Request *request = data;

    *request->reading = cvs_secret_in_read_finish(result, &request->op.error);
    if (*request->reading)
        read_secrets(request);
    else
        finish(request);
}

static void
read_one(Request *request, int *fd, const char *what, gsize max, CvsSecret **ret)
{
    gint64 left = request->deadline - g_get_monotonic_time();

    request->reading = ret;
    cvs_secret_in_read(cvs_steal_fd(fd), what, max, (guint)MAX(left / G_USEC_PER_SEC, 1),
                       request->place, request->service->hurry, on_read, request);
}

/* One after the other; then the work. */
static void
read_secrets(Request *request)
{
    CvsOperation *op = &request->op;

    if (request->secret_fd >= 0)
        read_one(request, &request->secret_fd, "secret", CVS_SECRET_MAX, &op->secret);
    else if (op->options.pin_fd >= 0)
        read_one(request, &op->options.pin_fd, "PIN", PIN_MAX, &op->pin);
    else if (op->options.recovery_key_fd >= 0)
        read_one(request, &op->options.recovery_key_fd, "recovery key", RECOVERY_TEXT_MAX,
                 &op->recovery_key);
    else if (op->options.challenge_fd >= 0)
        read_one(request, &op->options.challenge_fd, "challenge", CVS_CHALLENGE_SIZE_MAX,
                 &op->challenge_text);
    else
        work(request);
}

static void
admitted(Request *request)
{
    request->deadline =
        g_get_monotonic_time() + request->service->config->secret_timeout_s * G_TIME_SPAN_SECOND;
    read_secrets(request);
}

static void
on_polkit(GObject *source, GAsyncResult *result, gpointer data)
{
    Request *request = data;

    request->op.authorized = cvs_polkit_check_finish(result, &request->op.error);
    if (request->op.authorized)
        admitted(request);
    else
        finish(request);
}

static void
ask_polkit(Request *request)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(request->invocation);
    gboolean interactive = (g_dbus_message_get_flags(message) &
                            G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;

    cvs_polkit_check(request->service->connection,
                     g_dbus_method_invocation_get_sender(request->invocation),
                     cvs_bouncer_action(request->method->name), interactive,
                     request->service->hurry, on_polkit, request);
}

static void
judge(Request *request)
{
    const CvsOwner *owner = request->op.options.all ? NULL : &request->op.owner;

    switch (cvs_bouncer_judge(request->method->name, request->caller, owner)) {
    case CVS_VERDICT_ALLOWED:
        request->op.authorized = request->caller->uid == 0;
        admitted(request);
        return;
    case CVS_VERDICT_ASK:
        ask_polkit(request);
        return;
    case CVS_VERDICT_REFUSED:
        break;
    }
    fail(request, g_error_new(CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED, "nobody may call %s",
                              request->method->name));
}

static void
on_identified(CvsCaller *caller, const GError *error, gpointer data)
{
    Request *request = data;

    if (caller == NULL) {
        fail(request, g_error_copy(error));
        return;
    }
    request->caller = cvs_caller_ref(caller);
    request->op.uid = caller->uid;
    request->place =
        cvs_requests_enter(request->service->requests, caller->uid, &request->op.error);
    if (request->place == NULL) {
        finish(request);
        return;
    }
    request->op.place = request->place;
    if (!(request->method->options & CVS_OPTION_OWNER)) {
        judge(request);
        return;
    }
    request->has_owner = cvs_bouncer_resolve_owner(caller, request->op.options.owner,
                                                   &request->op.owner, &request->op.error);
    if (request->has_owner)
        judge(request);
    else
        finish(request);
}

static gboolean
take_name(Request *request, GVariant *value, GError **error)
{
    const char *name = g_variant_get_string(value, NULL);

    if (!cvs_key_name_check(name, error))
        return FALSE;
    request->op.name = g_strdup(name);
    return TRUE;
}

static gboolean
take_secret(Request *request, GVariant *value, CvsFds *fds, GError **error)
{
    request->secret_fd = cvs_fds_take(fds, g_variant_get_handle(value), "secret", error);
    return request->secret_fd >= 0;
}

static gboolean
take_size(Request *request, GVariant *value, GError **error)
{
    request->op.size = g_variant_get_uint32(value);
    if (request->op.size >= 1 && request->op.size <= CVS_SECRET_MAX)
        return TRUE;
    g_set_error(error, CVS_ERROR,
                request->op.size ? CVS_ERROR_TOO_LARGE : CVS_ERROR_INVALID_ARGUMENT,
                "the size of a secret is 1 to %d bytes, not %u", CVS_SECRET_MAX, request->op.size);
    return FALSE;
}

/* Before polkit is asked, which may take minutes, in which the whole message is kept. */
static gboolean
take_nonce(Request *request, GVariant *value, GError **error)
{
    gsize size = g_variant_get_size(value);

    if (size > CVS_BUNDLE_NONCE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "a nonce has 1 to %d bytes, not %zu", CVS_BUNDLE_NONCE_MAX, size);
        return FALSE;
    }
    request->op.nonce = g_variant_get_data_as_bytes(value);
    return TRUE;
}

/* One of the two, since the evidence is made for one nonce. */
static gboolean
check_nonce(const Request *request, GError **error)
{
    gboolean has_challenge = request->op.options.challenge_fd >= 0;

    if (request->op.nonce == NULL || (g_bytes_get_size(request->op.nonce) > 0) != has_challenge)
        return TRUE;
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        has_challenge ? "a challenge brings its own nonce: the one that is given "
                                        "with it has to be empty"
                                      : "the nonce is empty");
    return FALSE;
}

/* GDBus has already held the arguments against the interface's types. */
static gboolean
take_arguments(Request *request, GVariant *arguments, CvsFds *fds, GError **error)
{
    static const CvsTakes order[] = {CVS_TAKES_NAME, CVS_TAKES_SECRET, CVS_TAKES_SIZE,
                                     CVS_TAKES_NONCE};
    g_autoptr(GVariant) options = NULL;
    gsize next = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
        g_autoptr(GVariant) value = NULL;
        gboolean ok = TRUE;

        if (!(request->method->takes & order[i]))
            continue;
        value = g_variant_get_child_value(arguments, next++);
        if (order[i] == CVS_TAKES_NAME)
            ok = take_name(request, value, error);
        else if (order[i] == CVS_TAKES_SECRET)
            ok = take_secret(request, value, fds, error);
        else if (order[i] == CVS_TAKES_SIZE)
            ok = take_size(request, value, error);
        else
            ok = take_nonce(request, value, error);
        if (!ok)
            return FALSE;
    }
    options = g_variant_get_child_value(arguments, next);
    return cvs_options_parse(options, request->method->options, fds, &request->op.options, error) &&
           check_nonce(request, error);
}

void
cvs_request_begin(CvsService *service, const CvsMethod *method, GDBusMethodInvocation *invocation)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    g_autoptr(CvsFds) fds = cvs_fds_of(message);
    Request *request = g_new0(Request, 1);

    request->service = service;
    request->method = method;
    request->invocation = invocation;
    request->secret_fd = -1;
    cvs_options_init(&request->op.options);
    request->op.config = service->config;
    request->op.profile_folders = service->profile_folders;
    request->op.reply_fd = -1;
    request->op.attester = &service->release_attester;
    request->op.machine = service->attester;
    request->op.tee = service->tee;
    request->op.tee_keys = cvs_tee_keys_new(service->tee_asker);
    request->op.memory_locked = service->memory_locked;
    service->open++;
    if ((fds == NULL || cvs_fds_can_bury(&request->op.error)) &&
        take_arguments(request, g_dbus_method_invocation_get_parameters(invocation), fds,
                       &request->op.error))
        cvs_callers_identify(service->callers, g_dbus_method_invocation_get_sender(invocation),
                             on_identified, request);
    else
        finish(request);
}
