/// Version of the library that is linked (the headers' version is that of the same install).
#pragma once

#include <string_view>

#include <equipoise/core/export.h>

namespace equipoise {

/// "MAJOR.MINOR.PATCH".
EQUIPOISE_API std::string_view Version();

}  // namespace equipoise
