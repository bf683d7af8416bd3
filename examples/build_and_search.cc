// An index of one's own documents and embeddings: built, opened, filtered, searched, explained.
//
// The embeddings are four numbers a document here; in your program they come from your model, a row a
// document, in the order of the documents.
#include <cstdio>

#include <equipoise/engine/engine.h>

namespace {

int Fail(const equipoise::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace

int main() {
  const std::vector<equipoise::Document> documents = {
      {.id = "glider",
       .title = "Gliders",
       .text = "a wing without an engine",
       .fields = {{"year", 1891}}},
      {.id = "biplane",
       .title = "Biplanes",
       .text = "two wings, one above the other",
       .fields = {{"year", 1903}}},
      {.id = "jet",
       .title = "Jets",
       .text = "an engine that burns its own stream",
       .fields = {{"year", 1939}}},
      {.id = "albatross",
       .title = "Albatrosses",
       .text = "the longest wing of any bird",
       .fields = {{"year", 1758}}}};
  const std::vector<float> rows = {0.9f, 0.1f, 0.1f, 0.3f,   // glider
                                   0.8f, 0.5f, 0.1f, 0.1f,   // biplane
                                   0.3f, 0.9f, 0.0f, 0.1f,   // jet
                                   0.4f, 0.0f, 0.9f, 0.2f};  // albatross
  const equipoise::MatrixView<float> embeddings(rows.data(), documents.size(), 4);
  if (auto built = equipoise::Engine::Build("aircraft", documents, embeddings); !built)
    return Fail(built);

  auto engine = equipoise::Engine::Open("aircraft");
  if (!engine) return Fail(engine.error());
  auto recent = equipoise::MetadataFilter::Compile("year >= 1800", engine->collection());
  if (!recent) return Fail(recent.error());
  const std::vector<float> query = {0.9f, 0.2f, 0.3f,
                                    0.3f};  // of "flying without power", by your model
  auto found =
      engine->Search({.text = "wing engine", .embedding = query, .k = 3, .filter = &*recent});
  if (!found) return Fail(found.error());
  std::printf("alpha %.1f\n", found->weights.alpha);
  for (const equipoise::Hit& hit : found->hits)
    std::printf("%-8s %.3f: BM25 %.3f, cosine %.3f\n", hit.id.c_str(), hit.score, hit.lexical,
                hit.vector);
}
