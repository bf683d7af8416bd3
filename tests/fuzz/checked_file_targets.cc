// Files with checksums, and the manifest that names them.
#include <fmt/format.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/index_folder.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

void ReadAll(const std::string& path) {
  const auto file = CheckedFile::Open(path, "thing", 3);
  RequireCode(file.error(), {Code::kCorruption, Code::kUnsupported});
  if (!file.ok()) return;
  RequireCode(file->Verify(), {Code::kCorruption});
  std::uint64_t sum = 0;
  for (const auto& section : file->Sections()) {
    EQUIPOISE_FUZZ_REQUIRE(file->Has(section.name), section.name);
    RequireCode(file->VerifySection(section.name), {Code::kCorruption});
    sum += Checksum(*file->Section(section.name));
    const auto numbers = file->SectionOf<std::uint64_t>(section.name);
    RequireCode(numbers.error(), {Code::kCorruption});
    if (numbers.ok())
      for (const std::uint64_t number : *numbers) sum += number;
  }
  volatile std::uint64_t used = sum;
  static_cast<void>(used);
}

void RunCheckedFile(std::string_view input) {
  static const Folder folder("checked_file");
  ReadAll(folder.Write("as_given", input));
  std::string fixed(input);
  FixChecksums(&fixed);
  ReadAll(folder.Write("fixed", fixed));
}

std::vector<std::string> CheckedFileSeeds() {
  static const Folder folder("checked_file_seeds");
  const std::string path = folder.path("seed");
  auto writer = CheckedFileWriter::Create(path, "thing", 2);
  const std::vector<std::uint64_t> numbers = {1, 2, 3, 0xffffffffffffffffu};
  const std::string text = "some bytes";
  EQUIPOISE_FUZZ_REQUIRE(writer.ok() && writer->Section<std::uint64_t>("numbers", numbers).ok() &&
                             writer->BeginSection("empty").ok() &&
                             writer->Section<char>("text", text).ok() && writer->Finish().ok(),
                         path);
  auto empty = CheckedFileWriter::Create(folder.path("empty"), "thing", 1);
  EQUIPOISE_FUZZ_REQUIRE(empty.ok() && empty->Finish().ok(), "");
  return {ReadBytes(folder.path("empty")), ReadBytes(path)};
}

std::string WithTrailer(std::string_view body) {
  return fmt::format("{}xxh3 {:016x}\n", body, Checksum(std::as_bytes(std::span(body))));
}

void ReadAll(const Folder& folder) {
  const auto manifest = ReadManifest(folder.path());
  RequireCode(manifest.error(), {Code::kCorruption, Code::kUnsupported});
  if (!manifest.ok()) return;
  RequireCode(CheckFiles(folder.path(), *manifest),
              {Code::kCorruption, Code::kNotFound, Code::kIo});
}

void RunManifest(std::string_view input) {
  static const Folder folder("manifest");
  folder.Write("MANIFEST", input);
  ReadAll(folder);
  folder.Write("MANIFEST", WithTrailer(input));
  ReadAll(folder);
}

// Without the trailer, which the target adds.
std::vector<std::string> ManifestSeeds() {
  return {
      "equipoise-index 1\n{\"library_version\": \"0.1.0\", \"generation\": \"generation-1\", "
      "\"settings\": {\"a\": [1, {}]}, \"files\": [{\"name\": \"documents\", \"bytes\": 64, "
      "\"checksum\": \"0123456789abcdef\"}]}\n",
      "equipoise-index 2\n{}\n"};
}

}  // namespace

std::vector<Target> CheckedFileTargets() {
  return {{"checked_file", RunCheckedFile, CheckedFileSeeds, 3000},
          {"manifest", RunManifest, ManifestSeeds, 3000}};
}

}  // namespace equipoise::fuzz
