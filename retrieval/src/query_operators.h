/// From the clauses of a query to what searches take: words that count and documents that may be found.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/document_store.h>
#include <equipoise/retrieval/lexical_index.h>
#include <equipoise/retrieval/query_syntax.h>
#include <equipoise/retrieval/row_set.h>

namespace equipoise {

/// The words of the query that count, where they stand in it, and blanks for all else.
std::string ScoredText(std::string_view text, const std::vector<QueryClause>& clauses);

/// Of the documents in `among` (null: all) those that every clause allows; nothing where no clause
/// restricts them.
/// Errors   kInvalidArgument: a clause that restricts without an indexed word; kUnsupported: a phrase
///          where texts are not kept
/// Threads  safe from many threads; std::bad_alloc is not caught here
/// Note     documents with all words of a phrase are analyzed again to see whether they stand together.
///          Positions in the index would be faster where such documents are many, and would cost every
///          index bytes and time that few queries are for; this way phrases work in every collection
///          that keeps its texts, also in those that are there
Result<std::optional<RowSet>> AllowedDocuments(std::string_view text,
                                               const std::vector<QueryClause>& clauses,
                                               const RowSet* among, const Analyzer& analyzer,
                                               const LexicalIndex& lexical,
                                               const DocumentStore& documents);

}  // namespace equipoise
