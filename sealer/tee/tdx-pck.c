/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-pck.h"
#include "base/error.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <string.h>

#define SGX_OID "1.2.840.113741.1.13.1"
#define TCB_COMPONENTS 16

/* Members of the extension, by the last arc of their OID; bits of a set. */
enum {
    FIELD_PPID = 1,
    FIELD_TCB = 2,
    FIELD_PCEID = 3,
    FIELD_FMSPC = 4,
    FIELD_SGX_TYPE = 5,
    FIELD_INSTANCE = 6,
    FIELD_CONFIGURATION = 7,
};
enum {
    TCB_PCESVN = 17,
    TCB_CPUSVN = 18,
};
enum {
    CONFIGURATION_DYNAMIC = 1,
    CONFIGURATION_CACHED_KEYS = 2,
    CONFIGURATION_SMT = 3,
};
#define FIELDS_REQUIRED                                                                            \
    (1u << FIELD_PPID | 1u << FIELD_TCB | 1u << FIELD_PCEID | 1u << FIELD_FMSPC |                  \
     1u << FIELD_SGX_TYPE)
#define TCB_REQUIRED 0x7fffeu /* 1 to 18 */

typedef gboolean (*MemberFunc)(guint arc, const ASN1_TYPE *value, CvsPck *pck);

static void
sequence_free(ASN1_SEQUENCE_ANY *sequence)
{
    sk_ASN1_TYPE_pop_free(sequence, ASN1_TYPE_free);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_SEQUENCE_ANY, sequence_free)

/* A whole SEQUENCE and nothing behind it. */
static ASN1_SEQUENCE_ANY *
parse_sequence(const ASN1_STRING *der)
{
    const guint8 *start = ASN1_STRING_get0_data(der);
    const guint8 *end = start;
    int length = ASN1_STRING_length(der);
    ASN1_SEQUENCE_ANY *sequence = d2i_ASN1_SEQUENCE_ANY(NULL, &end, length);

    if (sequence && end != start + length)
        g_clear_pointer(&sequence, sequence_free);
    ERR_clear_error();
    return sequence;
}

static gboolean
get_octets(const ASN1_TYPE *value, guint8 *out, gsize size)
{
    if (value->type != V_ASN1_OCTET_STRING ||
        ASN1_STRING_length(value->value.octet_string) != (int)size)
        return FALSE;
    memcpy(out, ASN1_STRING_get0_data(value->value.octet_string), size);
    return TRUE;
}

static gboolean
get_number(const ASN1_TYPE *value, int type, guint max, guint *ret_number)
{
    gint64 number = -1;

    if (value->type != type)
        return FALSE;
    if (type == V_ASN1_ENUMERATED ? !ASN1_ENUMERATED_get_int64(&number, value->value.enumerated)
                                  : !ASN1_INTEGER_get_int64(&number, value->value.integer))
        return FALSE;
    if (number < 0 || number > (gint64)max)
        return FALSE;
    *ret_number = (guint)number;
    return TRUE;
}

static gboolean
get_bool(const ASN1_TYPE *value, gboolean *ret_bool)
{
    if (value->type != V_ASN1_BOOLEAN)
        return FALSE;
    *ret_bool = value->value.boolean != 0;
    return TRUE;
}

/* SEQUENCE OF SEQUENCE { OID prefix.arc, value }: each arc once. Returns the arcs seen as bits, 0
 * on an error (no such list is empty). */
static guint32
parse_members(const ASN1_STRING *der, const char *prefix, guint max, MemberFunc member, CvsPck *pck)
{
    g_autoptr(ASN1_SEQUENCE_ANY) list = parse_sequence(der);
    gsize prefix_length = strlen(prefix);
    guint32 seen = 0;

    for (int i = 0; list && i < sk_ASN1_TYPE_num(list); i++) {
        const ASN1_TYPE *item = sk_ASN1_TYPE_value(list, i);
        g_autoptr(ASN1_SEQUENCE_ANY) pair = NULL;
        const ASN1_TYPE *oid = NULL;
        char text[80] = "";
        guint64 arc = 0;

        if (item->type != V_ASN1_SEQUENCE)
            return 0;
        pair = parse_sequence(item->value.sequence);
        if (pair == NULL || sk_ASN1_TYPE_num(pair) != 2)
            return 0;
        oid = sk_ASN1_TYPE_value(pair, 0);
        if (oid->type != V_ASN1_OBJECT)
            return 0;
        OBJ_obj2txt(text, sizeof(text), oid->value.object, 1);
        if (strncmp(text, prefix, prefix_length) != 0 || text[prefix_length] != '.' ||
            !g_ascii_string_to_unsigned(text + prefix_length + 1, 10, 1, max, &arc, NULL))
            continue;
        if (seen & 1u << arc || !member((guint)arc, sk_ASN1_TYPE_value(pair, 1), pck))
            return 0;
        seen |= 1u << arc;
    }
    return seen;
}

static gboolean
tcb_member(guint arc, const ASN1_TYPE *value, CvsPck *pck)
{
    guint number = 0;

    if (arc == TCB_CPUSVN)
        return get_octets(value, pck->cpu_svn, sizeof(pck->cpu_svn));
    if (!get_number(value, V_ASN1_INTEGER, arc == TCB_PCESVN ? G_MAXUINT16 : G_MAXUINT8, &number))
        return FALSE;
    if (arc == TCB_PCESVN)
        pck->pce_svn = (guint16)number;
    else
        pck->components[arc - 1] = (guint8)number;
    return TRUE;
}

static gboolean
configuration_member(guint arc, const ASN1_TYPE *value, CvsPck *pck)
{
    gboolean *const into[] = {
        [CONFIGURATION_DYNAMIC] = &pck->dynamic_platform,
        [CONFIGURATION_CACHED_KEYS] = &pck->cached_keys,
        [CONFIGURATION_SMT] = &pck->smt,
    };

    return get_bool(value, into[arc]);
}

static gboolean
field_member(guint arc, const ASN1_TYPE *value, CvsPck *pck)
{
    guint number = 0;

    switch (arc) {
    case FIELD_PPID:
        return get_octets(value, pck->ppid, sizeof(pck->ppid));
    case FIELD_TCB:
        return value->type == V_ASN1_SEQUENCE &&
               parse_members(value->value.sequence, SGX_OID ".2", TCB_CPUSVN, tcb_member, pck) ==
                   TCB_REQUIRED;
    case FIELD_PCEID:
        return get_octets(value, pck->pce_id, sizeof(pck->pce_id));
    case FIELD_FMSPC:
        return get_octets(value, pck->fmspc, sizeof(pck->fmspc));
    case FIELD_SGX_TYPE:
        if (!get_number(value, V_ASN1_ENUMERATED, G_MAXUINT8, &number))
            return FALSE;
        pck->sgx_type = (guint8)number;
        return TRUE;
    case FIELD_INSTANCE:
        pck->has_instance = TRUE;
        return get_octets(value, pck->instance_id, sizeof(pck->instance_id));
    case FIELD_CONFIGURATION:
        pck->has_configuration = TRUE;
        return value->type == V_ASN1_SEQUENCE &&
               parse_members(value->value.sequence, SGX_OID ".7", CONFIGURATION_SMT,
                             configuration_member, pck) != 0;
    default:
        return FALSE;
    }
}

gboolean
cvs_pck_parse(const X509 *cert, CvsPck *ret_pck, GError **error)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(SGX_OID, 1);
    int at = X509_get_ext_by_OBJ(cert, oid, -1);
    gboolean twice = at >= 0 && X509_get_ext_by_OBJ(cert, oid, at) >= 0;
    CvsPck pck = {0};
    guint32 seen = 0;

    ASN1_OBJECT_free(oid);
    if (at < 0 || twice) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "PCK certificate: %s SGX extension (" SGX_OID ")",
                    twice ? "more than one" : "no");
        return FALSE;
    }
    seen = parse_members(X509_EXTENSION_get_data(X509_get_ext(cert, at)), SGX_OID,
                         FIELD_CONFIGURATION, field_member, &pck);
    if ((seen & FIELDS_REQUIRED) != FIELDS_REQUIRED) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "PCK certificate: the SGX extension is malformed or lacks a field (has 0x%x)",
                    seen);
        return FALSE;
    }
    *ret_pck = pck;
    return TRUE;
}
