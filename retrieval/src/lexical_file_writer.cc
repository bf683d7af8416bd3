#include "lexical_file_writer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include <equipoise/core/check.h>

namespace equipoise::lexical {
namespace {

constexpr std::size_t kFlushBytes = std::size_t{1} << 20;

template <typename Code>
std::vector<Code> Codes(std::span<const std::uint32_t> lengths,
                        std::span<const std::uint32_t> values) {
  std::vector<Code> out(lengths.size());
  for (std::size_t i = 0; i < lengths.size(); ++i)
    out[i] = static_cast<Code>(std::lower_bound(values.begin(), values.end(), lengths[i]) -
                               values.begin());
  return out;
}

}  // namespace

Result<LexicalFileWriter> LexicalFileWriter::Create(const std::string& path, Bm25Params params,
                                                    std::span<const std::uint32_t> lengths,
                                                    const FieldsToWrite& fields) {
  EQUIPOISE_ASSIGN_OR_RETURN(
      auto file,
      CheckedFileWriter::Create(path, kKind, fields.there() ? kFieldsVersion : kVersion));
  EQUIPOISE_RETURN_IF_ERROR(file.BeginSection(kPostings));
  const auto tokens = std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0});
  return LexicalFileWriter(std::move(file), params, lengths, tokens, fields);
}

void LexicalFileWriter::StartFields() {
  const auto titles = fields_.title_lengths;
  text_lengths_.resize(lengths_.size());
  std::transform(lengths_.begin(), lengths_.end(), titles.begin(), text_lengths_.begin(),
                 std::minus<>());
  const Bm25Fields& settings = *fields_.settings;
  fields_meta_ = {.title_tokens = std::accumulate(titles.begin(), titles.end(), std::uint64_t{0}),
                  .text_tokens = 0,
                  .title_weight = settings.title_weight,
                  .text_weight = settings.text_weight,
                  .title_b = settings.title_b,
                  .text_b = settings.text_b,
                  .title_bits = BitsOf(fields_.most_in_title),
                  .zero = 0};
  fields_meta_.text_tokens = meta_.tokens - fields_meta_.title_tokens;
}

void LexicalFileWriter::AddWithFields(const Posting& posting) {
  const FieldsMeta& meta = fields_meta_;
  const auto documents = static_cast<double>(meta_.documents);
  const std::uint32_t text = posting.tf - posting.title;
  if (std::uint64_t{text} << meta.title_bits >= std::uint64_t{1} << kMostTfBits) {
    too_often_ = true;
    return;
  }
  const auto part = [&](std::uint32_t tf, float weight, float b, std::uint32_t length,
                        std::uint64_t tokens) {
    return static_cast<float>(tf) *
           FieldScale(weight, b, length, static_cast<double>(tokens) / documents);
  };
  const float title = part(posting.title, meta.title_weight, meta.title_b,
                           fields_.title_lengths[posting.doc], meta.title_tokens);
  const float body =
      part(text, meta.text_weight, meta.text_b, text_lengths_[posting.doc], meta.text_tokens);
  encoder_.Add(posting.doc, text << meta.title_bits | posting.title,
               BoundOf(FieldShare(title + body, meta_.k1)));
}

Status LexicalFileWriter::EndTerm(std::string_view term) {
  std::uint32_t documents = 0;
  std::uint64_t bytes = 0;
  if (too_often_)
    return Status(
        Code::kInvalidArgument,
        fmt::format("\"{}\" is so often in a text, and some word up to {} times in a title, that "
                    "fields have no room for it; shorten that title, or index without fields",
                    term, fields_.most_in_title));
  if (!encoder_.EndList(&documents, &bytes))
    return Status(Code::kInvalidArgument,
                  fmt::format("the postings of \"{}\" take more than 2^32 bytes; build several "
                              "indexes",
                              term));
  dictionary_.Add(term, documents, bytes);
  meta_.postings += documents;
  return Flush(kFlushBytes);
}

Status LexicalFileWriter::Flush(std::size_t least) {
  if (encoder_.out().size() < least) return {};
  EQUIPOISE_RETURN_IF_ERROR(file_.AppendArray<std::uint8_t>(encoder_.out()));
  encoder_.out().clear();
  return {};
}

Status LexicalFileWriter::WriteLengths(const char* values_name, const char* codes_name,
                                       std::span<const std::uint32_t> lengths) {
  std::vector<std::uint32_t> values(lengths.begin(), lengths.end());
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  EQUIPOISE_RETURN_IF_ERROR(file_.Section<std::uint32_t>(values_name, values));
  if (CodeBytes(values.size()) == 1)
    return file_.Section<std::uint8_t>(codes_name, Codes<std::uint8_t>(lengths, values));
  if (CodeBytes(values.size()) == 2)
    return file_.Section<std::uint16_t>(codes_name, Codes<std::uint16_t>(lengths, values));
  return file_.Section<std::uint32_t>(codes_name, Codes<std::uint32_t>(lengths, values));
}

Status LexicalFileWriter::WriteFields() {
  EQUIPOISE_RETURN_IF_ERROR(file_.Section(kFields, std::span<const FieldsMeta>(&fields_meta_, 1)));
  EQUIPOISE_RETURN_IF_ERROR(
      WriteLengths(kTitleLengthValues, kTitleLengthCodes, fields_.title_lengths));
  return WriteLengths(kTextLengthValues, kTextLengthCodes, text_lengths_);
}

Status LexicalFileWriter::Finish() {
  constexpr std::array<std::uint8_t, kPackedSlack> kSlack{};
  EQUIPOISE_RETURN_IF_ERROR(Flush(0));
  EQUIPOISE_RETURN_IF_ERROR(file_.AppendArray<std::uint8_t>(kSlack));
  EQUIPOISE_RETURN_IF_ERROR(file_.Section<char>(kTerms, dictionary_.bytes()));
  EQUIPOISE_RETURN_IF_ERROR(file_.Section<TermBlock>(kTermBlocks, dictionary_.blocks()));
  EQUIPOISE_RETURN_IF_ERROR(WriteLengths(kLengthValues, kLengthCodes, lengths_));
  if (fields_.there()) EQUIPOISE_RETURN_IF_ERROR(WriteFields());
  meta_.terms = dictionary_.terms();
  EQUIPOISE_RETURN_IF_ERROR(file_.Section(kMeta, std::span<const LexicalMeta>(&meta_, 1)));
  return file_.Finish();
}

}  // namespace equipoise::lexical
