// Names of a collection's files inside a generation.
#pragma once

namespace equipoise::files {

inline constexpr char kDocuments[] = "documents";
inline constexpr char kColumns[] = "columns";
inline constexpr char kLexical[] = "lexical";
inline constexpr char kVectors[] = "vectors";
inline constexpr char kGraph[] = "graph";

}  // namespace equipoise::files
