/// Where the sentences of a text begin and end.
#pragma once

#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/retrieval/snippet.h>

namespace equipoise {

/// The sentences of a text, by ICU's sentence segmentation (UAX #29): a full stop ends one where no small
/// letter follows, a line break anywhere. What has no word or number is none.
/// Order    as in the text; ranges in bytes, without white space at their ends
/// Errors   none: bytes that are not UTF-8 count as U+FFFD; without ICU's data a text is one sentence
/// Threads  safe from many threads; std::bad_alloc is not caught here
EQUIPOISE_API std::vector<ByteRange> Sentences(std::string_view utf8);

}  // namespace equipoise
