/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every libFuzzer target has. A finding is an abort: of a sanitizer, or of g_assert(). */

#include <glib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);
