// What `equipoise learn --replay` prints.
#pragma once

#include <string>

#include <equipoise/engine/replay_study.h>

#include "output.h"

namespace equipoise::cli {

Json ReplayObject(const ReplayStudy& study);
std::string ReplayTables(const ReplayStudy& study);

}  // namespace equipoise::cli
