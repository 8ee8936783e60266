/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SERIN_VERSION_H
#define SERIN_VERSION_H

#define SERIN_VERSION "0.1.0"

#endif
