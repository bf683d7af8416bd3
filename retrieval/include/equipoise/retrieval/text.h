/// Questions about raw text that come before analysis.
#pragma once

#include <cstddef>
#include <string_view>

#include <equipoise/core/export.h>

namespace equipoise {

/// Byte offset of the first sequence that is not well-formed UTF-8; text.size() where all is well.
/// Overlong forms, surrogates, code points above U+10FFFF and a cut last sequence are not
/// well-formed; NUL is.
/// Threads  safe from many threads; O(text.size())
/// Source   Unicode Standard 15, table 3-7
EQUIPOISE_API std::size_t ValidUtf8Prefix(std::string_view text);

/// Whether all of `text` is well-formed UTF-8.
inline bool IsValidUtf8(std::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

}  // namespace equipoise
