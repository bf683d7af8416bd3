#include <equipoise/core/version.h>

namespace equipoise {

std::string_view Version() { return EQUIPOISE_VERSION; }

}  // namespace equipoise
