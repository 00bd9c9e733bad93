/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What makes an attestation key: each property that is wanted, taken away. */

#include "base/writer.h"
#include "tpm/ak-public.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* Attributes that attestation keys have: ours, and without noDA those of others. */
#define GOOD                                                                                       \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |            \
     TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT)

static CvsPublicArea *
make(guint32 attributes, guint16 scheme, guint16 hash)
{
    g_auto(CvsWriter) writer = {0};
    g_autoptr(GError) error = NULL;
    CvsPublicArea *area = NULL;

    cvs_writer_init(&writer);
    cvs_writer_u16_be(&writer, TPM2_ALG_RSA);
    cvs_writer_u16_be(&writer, TPM2_ALG_SHA256);
    cvs_writer_u32_be(&writer, attributes);
    cvs_writer_u16_be(&writer, 0);
    cvs_writer_u16_be(&writer, TPM2_ALG_NULL);
    cvs_writer_u16_be(&writer, scheme);
    if (scheme != TPM2_ALG_NULL)
        cvs_writer_u16_be(&writer, hash);
    cvs_writer_u16_be(&writer, 2048);
    cvs_writer_u32_be(&writer, 0);
    cvs_writer_u16_be(&writer, 256);
    for (guint i = 0; i < 256; i++)
        cvs_writer_u8(&writer, 0xff);
    area = cvs_public_area_parse(cvs_writer_data(&writer), cvs_writer_size(&writer), "AK", &error);
    g_assert_no_error(error);
    return area;
}

static const struct {
    const char *lack; /* begins so; NULL: nothing */
    guint32 attributes;
    guint16 scheme;
    guint16 hash;
} cases[] = {
    {NULL, GOOD, TPM2_ALG_RSASSA, TPM2_ALG_SHA256},
    {NULL, GOOD | TPMA_OBJECT_NODA, TPM2_ALG_RSAPSS, TPM2_ALG_SHA384},
    {"fixedTPM", GOOD & ~TPMA_OBJECT_FIXEDTPM, TPM2_ALG_RSASSA, TPM2_ALG_SHA256},
    {"fixedParent", GOOD & ~TPMA_OBJECT_FIXEDPARENT, TPM2_ALG_RSASSA, TPM2_ALG_SHA256},
    {"sensitiveDataOrigin", GOOD & ~TPMA_OBJECT_SENSITIVEDATAORIGIN, TPM2_ALG_RSASSA,
     TPM2_ALG_SHA256},
    {"restricted", GOOD & ~TPMA_OBJECT_RESTRICTED, TPM2_ALG_RSASSA, TPM2_ALG_SHA256},
    {"it is no signing key", GOOD & ~TPMA_OBJECT_SIGN_ENCRYPT, TPM2_ALG_RSASSA, TPM2_ALG_SHA256},
    {"it decrypts", GOOD | TPMA_OBJECT_DECRYPT, TPM2_ALG_RSASSA, TPM2_ALG_SHA256},
    {"it signs over a hash", GOOD, TPM2_ALG_RSASSA, TPM2_ALG_SHA1},
    {"it signs over a hash", GOOD, TPM2_ALG_NULL, TPM2_ALG_NULL},
    {"it signs by an algorithm", GOOD, TPM2_ALG_OAEP, TPM2_ALG_SHA256},
};

static void
test_lacks(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(CvsPublicArea) area = make(cases[i].attributes, cases[i].scheme, cases[i].hash);
        const char *lack = cvs_ak_lacks(area);

        if (cases[i].lack ? lack == NULL || !g_str_has_prefix(lack, cases[i].lack) : lack != NULL)
            g_error("case %" G_GSIZE_FORMAT ": \"%s\" instead of \"%s\"", i,
                    lack ? lack : "nothing", cases[i].lack ? cases[i].lack : "nothing");
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/ak-public/lacks", test_lacks);
    return g_test_run();
}
