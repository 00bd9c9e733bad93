/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/options.h"

#include <string.h>

static gboolean flag;
static char *value;

static const GOptionEntry entries[] = {
    {"flag", 0, 0, G_OPTION_ARG_NONE, &flag, "A flag", NULL},
    {"value", 0, 0, G_OPTION_ARG_STRING, &value, "A value", "V"},
    {NULL},
};

static const CvsUsage usage = {
    .program = "cvmseal test",
    .words = "NAME",
    .summary = "A test",
    .entries = entries,
    .min_words = 1,
    .max_words = 1,
};

static gboolean
parse(CvsOptions *options, const char *line, char ***words, char **help, GError **error)
{
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);

    flag = FALSE;
    g_clear_pointer(&value, g_free);
    return cvs_options_parse(options, &usage, argv, words, help, error);
}

static void
test_words_and_options(void)
{
    static const char *const lines[] = {
        "test db --flag --value x --owner system --json",
        "test --flag --value=x --owner=system --json db",
        "test --json --flag --owner system --value x -- db",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(CvsOptions) options = {0};
        g_auto(GStrv) words = NULL;
        g_autofree char *help = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(parse(&options, lines[i], &words, &help, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(words[0], ==, "db");
        g_assert_null(words[1]);
        g_assert_null(help);
        g_assert_true(flag);
        g_assert_cmpstr(value, ==, "x");
        g_assert_cmpstr(options.owner, ==, "system");
        g_assert_true(options.json);
        g_assert_true(cvs_options_finish(&options, &error));
    }
}

/* Names may begin with a dash. */
static void
test_dash_dash(void)
{
    g_auto(CvsOptions) options = {0};
    g_auto(GStrv) words = NULL;
    g_autofree char *help = NULL;

    g_assert_true(parse(&options, "test -- --flag", &words, &help, NULL));
    g_assert_cmpstr(words[0], ==, "--flag");
    g_assert_false(flag);
}

static void
test_refused(void)
{
    static const struct {
        const char *line;
        const char *message;
    } cases[] = {
        {"test", "NAME is missing"},
        {"test a b", "too many words"},
        {"test db --nonsense", "--nonsense"},
        {"test db --value", "--value"},
        {"test db -x", "-x"},
        {"test db --owner", "--owner"},
        {"test db --flags", "--flags"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(CvsOptions) options = {0};
        g_auto(GStrv) words = NULL;
        g_autofree char *help = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_false(parse(&options, cases[i].line, &words, &help, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, cases[i].message));
        g_assert_nonnull(strstr(error->message, "cvmseal test --help"));
        g_assert_null(words);
    }
}

static void
test_value_is_not_repeated(void)
{
    static const char *const lines[] = {
        "test db --flag=12345",
        "test db --json=12345",
        "test db --help=12345",
        "test db --flags=12345",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(CvsOptions) options = {0};
        g_auto(GStrv) words = NULL;
        g_autofree char *help = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_false(parse(&options, lines[i], &words, &help, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_null(strstr(error->message, "12345"));
    }
}

static void
test_help(void)
{
    g_auto(CvsOptions) options = {0};
    g_auto(GStrv) words = NULL;
    g_autofree char *help = NULL;
    g_autofree char *common = cvs_options_common_help();

    g_assert_true(parse(&options, "test --help", &words, &help, NULL));
    g_assert_nonnull(strstr(help, "cvmseal test [OPTION...] NAME\n"));
    g_assert_nonnull(strstr(help, "--flag"));
    g_assert_nonnull(strstr(help, "--owner=OWNER"));
    g_assert_nonnull(strstr(common, "--owner=OWNER"));
    g_assert_nonnull(strstr(common, "--direct "));
}

static void
test_front(void)
{
    g_auto(CvsOptions) options = {0};
    g_auto(GStrv) words = NULL;
    g_auto(GStrv) rest = NULL;
    g_auto(GStrv) argv =
        g_strsplit("cvmseal --direct --owner uid:7 test db --owner uid:8", " ", -1);
    g_autofree char *help = NULL;
    g_autoptr(GError) error = NULL;
    gboolean want_help = TRUE;
    gboolean want_version = TRUE;

    g_assert_true(
        cvs_options_parse_front(&options, argv, &want_help, &want_version, &rest, &error));
    g_assert_no_error(error);
    g_assert_false(want_help);
    g_assert_false(want_version);
    g_assert_cmpstr(rest[0], ==, "test");
    g_assert_cmpstr(options.owner, ==, "uid:7");
    g_assert_true(cvs_options_parse(&options, &usage, rest, &words, &help, &error));
    g_assert_true(options.direct);
    g_assert_cmpstr(options.owner, ==, "uid:8");
    g_assert_cmpstr(words[0], ==, "db");
}

static void
test_finish(void)
{
    static const struct {
        CvsOptions options;  /* constant texts, not freed */
        const char *message; /* NULL: allowed */
    } cases[] = {
        {{0}, NULL},
        {{.owner = (char *)"self"}, NULL},
        {{.owner = (char *)"unit"}, NULL},
        {{.owner = (char *)"unit:a.service"}, NULL},
        {{.owner = (char *)"uid:0"}, NULL},
        {{.owner = (char *)"uid:0", .direct = TRUE}, NULL},
        {{.bus = (char *)"session"}, NULL},
        {{.bus = (char *)"unix:path=/x"}, NULL},
        {{.direct = TRUE, .tcti = (char *)"t", .vault = (char *)"v", .policies = (char *)"p"},
         NULL},
        {{.owner = (char *)""}, "--owner"},
        {{.owner = (char *)"uid:"}, "--owner"},
        {{.owner = (char *)"uid:-1"}, "--owner"},
        {{.owner = (char *)"unit:../x.service"}, "--owner"},
        {{.owner = (char *)"root"}, "--owner"},
        {{.owner = (char *)"unit", .direct = TRUE}, "unit:NAME.service"},
        {{.bus = (char *)"system", .direct = TRUE}, "exclude"},
        {{.bus = (char *)"nonsense"}, "--bus"},
        {{.config = (char *)"c"}, "--config needs --direct"},
        {{.tcti = (char *)"t"}, "--tcti needs --direct"},
        {{.vault = (char *)"v"}, "--vault needs --direct"},
        {{.policies = (char *)"p"}, "--policies needs --direct"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(CvsOptions) options = {
            .owner = g_strdup(cases[i].options.owner),
            .direct = cases[i].options.direct,
            .config = g_strdup(cases[i].options.config),
            .tcti = g_strdup(cases[i].options.tcti),
            .vault = g_strdup(cases[i].options.vault),
            .policies = g_strdup(cases[i].options.policies),
            .bus = g_strdup(cases[i].options.bus),
        };
        g_autoptr(GError) error = NULL;

        if (cases[i].message == NULL) {
            g_assert_true(cvs_options_finish(&options, &error));
            g_assert_no_error(error);
            g_assert_nonnull(options.owner);
            g_assert_nonnull(options.bus);
        } else {
            g_assert_false(cvs_options_finish(&options, &error));
            g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
            g_assert_nonnull(strstr(error->message, cases[i].message));
        }
    }
}

static void
test_repeat(void)
{
    const CvsOptions none = {.owner = (char *)"self", .bus = (char *)"system", .json = TRUE};
    const CvsOptions bus = {.owner = (char *)"system", .bus = (char *)"session"};
    const CvsOptions direct = {.owner = (char *)"self",
                               .bus = (char *)"system",
                               .direct = TRUE,
                               .config = (char *)"/c",
                               .tcti = (char *)"swtpm:path=/a b",
                               .vault = (char *)"/v"};
    g_autofree char *a = cvs_options_repeat(&none);
    g_autofree char *b = cvs_options_repeat(&bus);
    g_autofree char *c = cvs_options_repeat(&direct);

    g_assert_cmpstr(a, ==, "");
    g_assert_cmpstr(b, ==, " --owner system --bus session");
    g_assert_cmpstr(c, ==, " --direct --config /c --tcti 'swtpm:path=/a b' --vault /v");
}

int
main(int argc, char **argv)
{
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/options/words-and-options", test_words_and_options);
    g_test_add_func("/options/dash-dash", test_dash_dash);
    g_test_add_func("/options/refused", test_refused);
    g_test_add_func("/options/value-is-not-repeated", test_value_is_not_repeated);
    g_test_add_func("/options/help", test_help);
    g_test_add_func("/options/front", test_front);
    g_test_add_func("/options/finish", test_finish);
    g_test_add_func("/options/repeat", test_repeat);
    result = g_test_run();
    g_free(value);
    return result;
}
