/// BM25 over terms: an inverted index in one checked, memory-mapped file.
///
///   score(q, d) = sum over the query's terms t of  idf(t) * tf / (tf + k1 (1 - b + b dl / avgdl))
///   idf(t)      = ln(1 + (N - df + 0.5) / (df + 0.5))
///
/// with tf the occurrences of t in d, dl the exact number of d's tokens, df the documents with t.
/// A term that is n times in the query counts n times. This is Lucene's form, without its constant
/// factor k1 + 1 and without its rounding of lengths to a byte.
/// Source: Robertson & Zaragoza 2009, doi:10.1561/1500000019; Kamphuis et al. 2020,
/// doi:10.1007/978-3-030-45442-5_4 ("Lucene (accurate)").
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/core/stop_check.h>
#include <equipoise/kernels/topk.h>

namespace equipoise {

/// Range    k1 >= 0 and finite: 0 counts presence alone, more lets repetitions count more;
///          b in [0, 1]: 0 ignores document lengths, 1 divides by them fully
/// Source   the defaults are Lucene's
struct Bm25Params {
  float k1 = 1.2f;
  float b = 0.75f;

  friend bool operator==(const Bm25Params&, const Bm25Params&) = default;
};

/// Title and text as two fields of BM25F, instead of one text:
///
///   score(q, d) = sum over the query's terms t of  idf(t) * w / (w + k1)
///   w           = sum over the fields f of  weight_f * tf_f / (1 - b_f + b_f dl_f / avgdl_f)
///
/// with tf_f the occurrences of t in the field, dl_f its length in the document and avgdl_f the mean of
/// that over all documents; idf over documents, as without fields. So a word that is in title and text is
/// saturated once. Postings hold both counts as they are, and nothing is rounded: the file is 9 % larger on
/// reverse-dictionary and 21 % on cacm, a search takes about a tenth longer (npl).
/// Range    weights in (0, 1e6]: more lets the field count more against the other, and against k1;
///          b in [0, 1]
/// Source   Robertson & Zaragoza 2009, doi:10.1561/1500000019, section 3.6
struct Bm25Fields {
  float title_weight = 1;
  float text_weight = 1;
  float title_b = 0.75f;
  float text_b = 0.75f;

  friend bool operator==(const Bm25Fields&, const Bm25Fields&) = default;
};

/// How an index is built; the file is the same whatever is chosen here.
struct LexicalBuildOptions {
  /// Bytes of terms and postings, sorting included, beyond which they go to a temporary file, to be
  /// merged in the end; 0: no limit. Beside it 4 bytes a document and the dictionary stay in memory.
  std::size_t memory = 0;
  /// Where that file is made; needed with a limit. It has no name: nothing of it is left behind.
  std::string spill_folder{};
};

/// The tokens of a document, in its order.
struct DocumentTokens {
  DocumentTokens(std::span<const std::string> all, std::size_t of_title = 0)  // NOLINT: implicit
      : tokens(all), title(of_title) {}

  std::span<const std::string> tokens;
  std::size_t title = 0;  ///< the first so many are those of the title; matters with fields alone
};

/// Collects documents and writes the index.
/// Threads  one thread at a time; AddMany works on several by itself
/// Note     memory as LexicalBuildOptions limits it; else 8 bytes a posting while collecting and 16
///          while writing, with fields 12 and 24
class EQUIPOISE_API LexicalIndexBuilder {
 public:
  /// fields: tells title and text apart; then params.b is not used.
  /// Errors   kInvalidArgument: k1, b or a weight out of range, memory without spill_folder
  static Result<LexicalIndexBuilder> Create(Bm25Params params = {},
                                            LexicalBuildOptions options = {},
                                            std::optional<Bm25Fields> fields = {});
  LexicalIndexBuilder(LexicalIndexBuilder&&) noexcept;
  LexicalIndexBuilder& operator=(LexicalIndexBuilder&&) noexcept;
  ~LexicalIndexBuilder();

  /// Adds the next document: the first is document 0. No tokens is fine.
  /// Shapes   tokens [dl], any bytes; copied; title: as DocumentTokens::title
  /// Errors   kInvalidArgument: more than 2^32 - 2 documents or 2^31 tokens in one, a title of more
  ///          tokens than the document; kIo: the temporary file; kOutOfMemory. Every later call returns
  ///          the same error
  Status Add(std::span<const std::string> tokens, std::size_t title = 0);

  /// The tokens of document i of those that are added together, perhaps in `room`.
  using TokensOf = std::function<DocumentTokens(std::size_t i, std::vector<std::string>* room)>;
  /// Adds the next `count` documents over `threads` threads.
  /// Range    threads >= 1; some thousand documents at a time keep the threads busy
  /// Errors   as Add
  /// Threads  tokens_of is called from several threads at once, in any order, once for each i; it may
  ///          throw std::bad_alloc only
  Status AddMany(std::size_t count, int threads, const TokensOf& tokens_of);

  /// Documents added so far.
  std::uint32_t documents() const;

  /// Writes the index as one file, which is removed after an error; more may be added and written
  /// afterwards.
  /// Units    progress: postings
  /// Exact    the bytes depend on the documents and parameters alone
  /// Errors   kIo; kOutOfMemory; kCancelled by the progress callback; kInvalidArgument: with fields, a
  ///          term so often in a text and another in a title that both counts do not fit into 31 bits
  Status Write(const std::string& path, const ProgressCallback& progress = {}) const;

 private:
  struct State;
  explicit LexicalIndexBuilder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One term's part in a document's score.
struct TermScore {
  std::string term;
  std::uint32_t query_count = 0;  ///< times in the query
  std::uint32_t df = 0;           ///< documents with the term
  std::uint32_t tf = 0;           ///< times in the document
  std::uint32_t title_tf = 0;     ///< of tf, times in the title; 0 in an index without fields
  float idf = 0;                  ///< 0 where no document has the term
  float contribution = 0;         ///< query_count * idf * tf / (tf + k1 (...)), with fields
                                  ///< query_count * idf * w / (w + k1); 0 where tf is 0
};

/// The index, searched where it lies on disk.
/// Threads  const after Open; safe from many threads, which wait for nothing
/// Exact    scores are float32, added in the order in which terms first occur in the query: Search,
///          Score and Explain agree bit for bit, on every thread
/// Errors   searches have none: a file that was damaged after Open gives wrong scores at worst,
///          never a crash or a NaN. std::bad_alloc is not caught here.
/// Note     one that was default-constructed or moved from has no documents
class EQUIPOISE_API LexicalIndex {
 public:
  /// Maps the file. Checks in full what searches rely on (dictionary, offsets); postings and
  /// lengths are only checked by Verify, so that opening does not read them.
  /// Errors   kNotFound, kIo, kCorruption; kUnsupported: of another version
  static Result<LexicalIndex> Open(const std::string& path);
  LexicalIndex();
  LexicalIndex(LexicalIndex&&) noexcept;
  LexicalIndex& operator=(LexicalIndex&&) noexcept;
  ~LexicalIndex();

  /// The best k of the documents that contain at least one of the terms.
  /// Shapes   query_tokens any number, repetitions count; result at most k
  /// Range    k any; 0 and an empty query give an empty result
  /// Order    score descending, ties by ascending document
  /// Threads  const, safe from many threads; scratch for each search at a time, kept for the next: at
  ///          most 4 bytes a document and 1 KiB a term
  /// Exact    ids and scores are those of adding up every posting, however many are skipped
  /// Note     O(postings of the query's terms) in collections of few documents and for queries of
  ///          very many terms; else lists and blocks whose bounds cannot reach the best k are skipped
  std::vector<Scored> Search(std::span<const std::string> query_tokens, std::size_t k) const;

  /// The best k of the allowed documents that contain at least one of the terms; otherwise as Search.
  /// Shapes   allowed [ceil(documents / 64)]: bit d % 64 of word d / 64 is document d, as in RowSet;
  ///          documents behind its end are not allowed, bits behind the last document mean nothing
  /// Exact    the documents of a search for all, less those that are not allowed, with the same scores
  /// Note     where few documents are allowed only they are looked up
  std::vector<Scored> Search(std::span<const std::string> query_tokens, std::size_t k,
                             std::span<const std::uint64_t> allowed) const;

  /// A search and the scores of further documents, for little more than the search where it adds up all
  /// postings: it has the scores then.
  /// Shapes   allowed as above, absent: all; also() any documents; scores [also().size()], as of Score
  /// Threads  also is called once, in the caller's thread, as late as it costs nothing; where it waits for
  ///          another thread (also_waits) when all else is done, for 4 more bytes a document
  /// Note     `stop` is asked every 256 blocks or 32,768 documents: once it says so, the result is that of the
  ///          documents that were gone through, with true scores, or nothing. Null: never
  std::vector<Scored> SearchAndScore(std::span<const std::string> query_tokens, std::size_t k,
                                     std::optional<std::span<const std::uint64_t>> allowed,
                                     const std::function<std::span<const std::uint32_t>()>& also,
                                     std::vector<float>* scores, bool also_waits = false,
                                     StopCheck* stop = nullptr) const;

  /// The scores of given documents, in their order; 0 where no term occurs.
  /// Shapes   docs [m], any order, repetitions fine; scores [m]
  /// Range    a document >= documents() scores 0; of spans of different lengths the shorter counts
  /// Exact    the score that Search gives the document, bit for bit
  /// Note     O(terms * m * log(postings of the term / m))
  void Score(std::span<const std::string> query_tokens, std::span<const std::uint32_t> docs,
             std::span<float> scores) const;

  /// The documents that have every one of the terms, ascending; none for no terms.
  /// Note     O(postings of the rarest term * log(postings of the others)) at most
  std::vector<std::uint32_t> Matching(std::span<const std::string> tokens) const;

  /// Every distinct term of the query with its part in the score of `doc`, in the order of first
  /// occurrence; those that do not occur have contribution 0. The float32 sum of the contributions
  /// in this order is the score.
  std::vector<TermScore> Explain(std::span<const std::string> query_tokens,
                                 std::uint32_t doc) const;
  /// The same of many documents: terms are looked up once.
  /// Shapes   docs [m], any order; returns [m]
  std::vector<std::vector<TermScore>> Explain(std::span<const std::string> query_tokens,
                                              std::span<const std::uint32_t> docs) const;

  std::uint32_t documents() const;
  std::uint64_t terms() const;
  std::uint64_t postings() const;
  double average_length() const;  ///< in tokens; 0 where there are no documents
  Bm25Params params() const;
  std::optional<Bm25Fields> fields() const;  ///< absent: title and text are one
  /// Documents with the term; 0 where there is none.
  std::uint32_t DocumentFrequency(const std::string& term) const;

  std::uint64_t bytes() const;                          ///< of the file
  std::vector<CheckedFile::SectionInfo> parts() const;  ///< bytes by part, in file order

  /// Reads everything: checksums, then that postings are ascending, in range and add up to the
  /// documents' lengths.
  /// Errors   kCorruption naming file and part
  Status Verify() const;

 private:
  struct State;
  explicit LexicalIndex(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace equipoise
