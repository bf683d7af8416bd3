/// UTF-8 character by character.
#pragma once

#include <cstddef>
#include <string_view>

#include <unicode/utf8.h>

namespace equipoise {

/// The code point at a byte, negative where it is not UTF-8; moves `at` behind it.
/// Range    *at < text.size()
inline UChar32 NextCharacter(std::string_view text, std::size_t* at) {
  std::size_t i = *at;
  UChar32 c = 0;
// ICU's macro narrows ints to bytes.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
  const char* const bytes = text.data();
  U8_NEXT(bytes, i, text.size(), c);
#pragma GCC diagnostic pop
  *at = i;
  return c;
}

/// Whether a byte begins a character.
inline bool IsLead(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

inline UChar32 CharacterAt(std::string_view text, std::size_t byte) {
  return NextCharacter(text, &byte);
}

}  // namespace equipoise
