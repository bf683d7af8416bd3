#include "lexical_file_writer.h"

#include <algorithm>
#include <array>
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
                                                    std::span<const std::uint32_t> lengths) {
  EQUIPOISE_ASSIGN_OR_RETURN(auto file, CheckedFileWriter::Create(path, kKind, kVersion));
  EQUIPOISE_RETURN_IF_ERROR(file.BeginSection(kPostings));
  const auto tokens = std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0});
  return LexicalFileWriter(std::move(file), params, lengths, tokens);
}

Status LexicalFileWriter::EndTerm(std::string_view term) {
  std::uint32_t documents = 0;
  std::uint64_t bytes = 0;
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

Status LexicalFileWriter::WriteLengths() {
  std::vector<std::uint32_t> values(lengths_.begin(), lengths_.end());
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  EQUIPOISE_RETURN_IF_ERROR(file_.Section<std::uint32_t>(kLengthValues, values));
  if (values.size() <= 1u << 8)
    return file_.Section<std::uint8_t>(kLengthCodes, Codes<std::uint8_t>(lengths_, values));
  if (values.size() <= 1u << 16)
    return file_.Section<std::uint16_t>(kLengthCodes, Codes<std::uint16_t>(lengths_, values));
  return file_.Section<std::uint32_t>(kLengthCodes, Codes<std::uint32_t>(lengths_, values));
}

Status LexicalFileWriter::Finish() {
  constexpr std::array<std::uint8_t, kPackedSlack> kSlack{};
  EQUIPOISE_RETURN_IF_ERROR(Flush(0));
  EQUIPOISE_RETURN_IF_ERROR(file_.AppendArray<std::uint8_t>(kSlack));
  EQUIPOISE_RETURN_IF_ERROR(file_.Section<char>(kTerms, dictionary_.bytes()));
  EQUIPOISE_RETURN_IF_ERROR(file_.Section<TermBlock>(kTermBlocks, dictionary_.blocks()));
  EQUIPOISE_RETURN_IF_ERROR(WriteLengths());
  meta_.terms = dictionary_.terms();
  EQUIPOISE_RETURN_IF_ERROR(file_.Section(kMeta, std::span<const LexicalMeta>(&meta_, 1)));
  return file_.Finish();
}

}  // namespace equipoise::lexical
