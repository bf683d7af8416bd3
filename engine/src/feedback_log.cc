#include "feedback_log.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/random.h>

#include "byte_codec.h"

namespace equipoise {
namespace {

constexpr int kApplication = 0x45514642;  // "EQFB"
constexpr int kVersion = 1;
constexpr int kWaitMs = 1000;  // for whoever looks at the log with another program
// A rating changes four pages, three of them by some dozen bytes: small ones are written in less time.
constexpr const char* kPage = "PRAGMA page_size = 2048";
// Pages after which the write-ahead log goes into the file: 16 MiB.
constexpr const char* kCheckpoint = "PRAGMA wal_autocheckpoint = 8192";

constexpr const char* kTables =
    "CREATE TABLE log (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE query (id INTEGER PRIMARY KEY, context BLOB NOT NULL);"
    "CREATE TABLE feedback (number INTEGER PRIMARY KEY, query INTEGER NOT NULL, doc INTEGER,"
    " rating REAL, groundedness REAL, confidence REAL, dwell REAL, time REAL NOT NULL,"
    " now REAL NOT NULL, source INTEGER NOT NULL, weight REAL NOT NULL, checksum INTEGER NOT NULL);"
    "CREATE INDEX feedback_of_query ON feedback (query, number);";

constexpr const char* kRow =
    "SELECT number, query, doc, rating, groundedness, confidence, dwell, time, now, source, weight,"
    " checksum FROM feedback ";

// SQLite's integers are signed.
std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t Unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

std::uint64_t ChecksumOf(const FeedbackEntry& f) {
  constexpr double kAbsent = std::numeric_limits<double>::infinity();
  ByteWriter out;
  // SQLite keeps −0 as 0, which this makes of it.
  const auto put = [&out](double value) { out.Put(value + 0.0); };
  out.Put(f.number);
  out.Put(f.query_id);
  out.Put(f.doc ? std::int64_t{*f.doc} : -1);
  for (const auto& value : {f.rating, f.groundedness, f.confidence, f.dwell})
    put(value.value_or(kAbsent));
  put(f.time);
  put(f.now);
  out.Put(f.source);
  put(f.weight);
  return Checksum(std::as_bytes(std::span(out.bytes())));
}

std::uint64_t NewId(const void* object) {
  std::uint64_t state =
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  state ^= static_cast<std::uint64_t>(::getpid()) << 40;
  state ^= reinterpret_cast<std::uintptr_t>(object);
  return SplitMix64(state);
}

/// A prepared statement.
class Statement {
 public:
  Statement() = default;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  int Prepare(sqlite3* connection, const std::string& text) {
    return sqlite3_prepare_v3(connection, text.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement_,
                              nullptr);
  }
  sqlite3_stmt* get() const { return statement_; }

  void Bind(int at, std::uint64_t value) { sqlite3_bind_int64(statement_, at, Signed(value)); }
  void Bind(int at, double value) { sqlite3_bind_double(statement_, at, value); }
  void Bind(int at, std::string_view bytes) {
    sqlite3_bind_blob64(statement_, at, bytes.data(), bytes.size(), SQLITE_STATIC);
  }
  template <typename T>
  void Bind(int at, const std::optional<T>& value) {
    if (!value)
      sqlite3_bind_null(statement_, at);
    else if constexpr (std::is_integral_v<T>)
      Bind(at, std::uint64_t{*value});
    else
      Bind(at, *value);
  }
  int Step() { return sqlite3_step(statement_); }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

/// Of a statement that lives on: ready for the next time when this goes.
class Use {
 public:
  explicit Use(const Statement& statement) : statement_(statement.get()) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

std::optional<double> Number(sqlite3_stmt* row, int column) {
  if (sqlite3_column_type(row, column) == SQLITE_NULL) return {};
  return sqlite3_column_double(row, column);
}

/// False where the row is not what was written.
bool ReadRow(sqlite3_stmt* row, FeedbackEntry* out) {
  *out = {.number = Unsigned(sqlite3_column_int64(row, 0)),
          .query_id = Unsigned(sqlite3_column_int64(row, 1)),
          .rating = Number(row, 3),
          .groundedness = Number(row, 4),
          .confidence = Number(row, 5),
          .dwell = Number(row, 6),
          .time = sqlite3_column_double(row, 7),
          .now = sqlite3_column_double(row, 8),
          .source = Unsigned(sqlite3_column_int64(row, 9)),
          .weight = sqlite3_column_double(row, 10)};
  if (sqlite3_column_type(row, 2) != SQLITE_NULL)
    out->doc = static_cast<std::uint32_t>(sqlite3_column_int64(row, 2));
  return Unsigned(sqlite3_column_int64(row, 11)) == ChecksumOf(*out);
}

}  // namespace

struct FeedbackLog::Sqlite {
  sqlite3* connection = nullptr;
  Statement begin, commit, put_context, put_feedback, get_context, get_rows, get_rows_of, get_value,
      set_value;

  Sqlite() = default;
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;
  ~Sqlite() { sqlite3_close_v2(connection); }  // once the statements are gone, which go after this

  Status Error(const std::string& path, int result) const {
    const char* said = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(result);
    const int system = connection != nullptr ? sqlite3_system_errno(connection) : 0;
    std::string what = fmt::format("the log of feedback: {}", said);
    if (system != 0) what += fmt::format(" ({})", std::generic_category().message(system));
    switch (result & 0xff) {
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return Status(Code::kCorruption, what + "; restore it, or move it away to start a new one",
                      {.file = path});
      case SQLITE_NOMEM:
        return Status(Code::kOutOfMemory, std::move(what), {.file = path});
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return Status(Code::kUnavailable, what + ": another program holds it", {.file = path});
      default:
        return Status(Code::kIo, std::move(what), {.file = path});
    }
  }
  Status Run(const std::string& path, const char* text) {
    const int result = sqlite3_exec(connection, text, nullptr, nullptr, nullptr);
    return result == SQLITE_OK ? Status() : Error(path, result);
  }
  Status Finish(const std::string& path, Statement* statement) {
    const int result = statement->Step();
    return result == SQLITE_DONE || result == SQLITE_ROW ? Status() : Error(path, result);
  }
  Result<std::int64_t> Whole(const std::string& path, const char* text) {
    Statement statement;
    if (const int result = statement.Prepare(connection, text); result != SQLITE_OK)
      return Error(path, result);
    const int result = statement.Step();
    if (result != SQLITE_ROW && result != SQLITE_DONE) return Error(path, result);
    return result == SQLITE_ROW ? sqlite3_column_int64(statement.get(), 0) : 0;
  }
};

FeedbackLog::FeedbackLog(std::string path, const FeedbackLogOptions& options)
    : path_(std::move(path)), options_(options), sqlite_(std::make_unique<Sqlite>()) {}

FeedbackLog::~FeedbackLog() {
  sqlite_ = nullptr;
  if (lock_ >= 0) ::close(lock_);
}

Result<std::unique_ptr<FeedbackLog>> FeedbackLog::Open(const std::string& path,
                                                       std::uint64_t fingerprint,
                                                       const FeedbackLogOptions& options) {
  std::unique_ptr<FeedbackLog> out(new FeedbackLog(path, options));
  std::error_code error;
  if (options.access == LogAccess::kWrite) {
    const std::string lock = path + "-lock";
    out->lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (out->lock_ < 0)
      return Status(
          Code::kIo,
          fmt::format("cannot be created: {}; where nothing can be written, LogAccess::kRead "
                      "searches with what was learned",
                      std::generic_category().message(errno)),
          {.file = lock});
    if (::flock(out->lock_, LOCK_EX | LOCK_NB) != 0)
      return Status(Code::kUnavailable,
                    "another engine writes feedback of this index; there is one writer at a time, "
                    "others may search with LogAccess::kRead",
                    {.file = path});
  } else if (!std::filesystem::exists(path, error)) {
    return Status(Code::kNotFound, "there is no log of feedback", {.file = path});
  }
  EQUIPOISE_RETURN_IF_ERROR(out->OpenFile(false));
  Status ready = out->Prepare(fingerprint);
  // A folder in which nobody can write has no place for what readers and writers share. Where no writer
  // left anything beside the file, the file is all.
  if (!ready.ok() && ready.code() == Code::kIo && options.access == LogAccess::kRead &&
      !std::filesystem::exists(path + "-wal", error)) {
    out->sqlite_ = std::make_unique<Sqlite>();
    EQUIPOISE_RETURN_IF_ERROR(out->OpenFile(true));
    ready = out->Prepare(fingerprint);
  }
  EQUIPOISE_RETURN_IF_ERROR(ready);
  return out;
}

Status FeedbackLog::OpenFile(bool only_file) {
  const bool write = options_.access == LogAccess::kWrite;
  std::string name = path_;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
              (write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  if (only_file) {
    name = "file:";
    for (const char c : path_)
      name += std::string_view("?#%").find(c) == std::string_view::npos
                  ? std::string(1, c)
                  : fmt::format("%{:02x}", static_cast<unsigned char>(c));
    name += "?immutable=1";
    flags |= SQLITE_OPEN_URI;
  }
  const int opened = sqlite3_open_v2(name.c_str(), &sqlite_->connection, flags, nullptr);
  if (opened != SQLITE_OK) return sqlite_->Error(path_, opened);
  sqlite3_busy_timeout(sqlite_->connection, kWaitMs);
  if (write && sqlite3_db_readonly(sqlite_->connection, "main") == 1)
    return Status(Code::kIo, "the log of feedback cannot be written to", {.file = path_});
  return {};
}

/// Checks what the file is, makes it where it is new, and prepares the statements.
Status FeedbackLog::Prepare(std::uint64_t fingerprint) {
  Sqlite& db = *sqlite_;
  const bool write = options_.access == LogAccess::kWrite;
  EQUIPOISE_ASSIGN_OR_RETURN(const std::int64_t application,
                             db.Whole(path_, "PRAGMA application_id"));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::int64_t tables,
                             db.Whole(path_, "SELECT count(*) FROM sqlite_master"));
  const bool fresh = application == 0 && tables == 0;
  if (fresh && !write)
    return Status(Code::kNotFound, "there is no log of feedback yet", {.file = path_});
  if (!fresh && application != kApplication)
    return Status(Code::kInvalidArgument, "is a database, but no log of feedback", {.file = path_});
  if (write) {
    EQUIPOISE_RETURN_IF_ERROR(db.Run(path_, kPage));  // of a new file
    EQUIPOISE_RETURN_IF_ERROR(db.Run(path_, "PRAGMA journal_mode = WAL"));
    EQUIPOISE_RETURN_IF_ERROR(db.Run(path_, kCheckpoint));
    EQUIPOISE_RETURN_IF_ERROR(db.Run(path_, options_.sync == LogSync::kFull
                                                ? "PRAGMA synchronous = FULL"
                                                : "PRAGMA synchronous = NORMAL"));
  }
  if (fresh) EQUIPOISE_RETURN_IF_ERROR(Make(fingerprint));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::int64_t version, db.Whole(path_, "PRAGMA user_version"));
  if (version != kVersion)
    return Status(Code::kUnsupported,
                  fmt::format("has version {}, this program reads {}", version, kVersion),
                  {.file = path_});

  struct Text {
    Statement* statement;
    std::string text;
  };
  const std::string row = kRow;
  for (const auto& [statement, text] : std::initializer_list<Text>{
           {&db.begin, "BEGIN IMMEDIATE"},
           {&db.commit, "COMMIT"},
           {&db.put_context, "INSERT OR IGNORE INTO query (id, context) VALUES (?1, ?2)"},
           {&db.put_feedback,
            "INSERT INTO feedback VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"},
           {&db.get_context, "SELECT context FROM query WHERE id = ?1"},
           {&db.get_rows, row + "WHERE number > ?1 ORDER BY number"},
           {&db.get_rows_of, row + "WHERE query = ?1 AND number < ?2 ORDER BY number"},
           {&db.get_value, "SELECT value FROM log WHERE key = ?1"},
           {&db.set_value, "INSERT OR REPLACE INTO log VALUES (?1, ?2)"}})
    if (const int result = statement->Prepare(db.connection, text); result != SQLITE_OK)
      return db.Error(path_, result);

  EQUIPOISE_ASSIGN_OR_RETURN(id_, Value("id"));
  EQUIPOISE_ASSIGN_OR_RETURN(removed_, Value("removed"));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::uint64_t skipped, Value("skipped"));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::int64_t last,
                             db.Whole(path_, "SELECT max(number) FROM feedback"));
  last_ = std::max({Unsigned(last), removed_, skipped});
  EQUIPOISE_ASSIGN_OR_RETURN(const std::uint64_t of, Value("fingerprint"));
  if (of == fingerprint) return {};
  if (!options_.rebuilt)
    return Status(
        Code::kInvalidArgument,
        "is the log of another index, or of this one before it was built again; where it was built "
        "again, FeedbackLogOptions::rebuilt goes on with what was learned",
        {.file = path_});
  return write ? SetValue("fingerprint", fingerprint) : Status();
}

Status FeedbackLog::Make(std::uint64_t fingerprint) {
  Sqlite& db = *sqlite_;
  const std::string text = fmt::format(
      "BEGIN IMMEDIATE; {} PRAGMA application_id = {}; PRAGMA user_version = {};"
      "INSERT INTO log VALUES ('id', {}), ('fingerprint', {}), ('removed', 0),"
      " ('skipped', 0); COMMIT",
      kTables, kApplication, kVersion, Signed(NewId(this)), Signed(fingerprint));
  Status made = db.Run(path_, text.c_str());
  if (!made.ok()) sqlite3_exec(db.connection, "ROLLBACK", nullptr, nullptr, nullptr);
  return made;
}

Result<std::uint64_t> FeedbackLog::Value(const char* key) {
  const Use use(sqlite_->get_value);
  sqlite3_bind_text(sqlite_->get_value.get(), 1, key, -1, SQLITE_STATIC);
  const int result = sqlite_->get_value.Step();
  if (result == SQLITE_ROW) return Unsigned(sqlite3_column_int64(sqlite_->get_value.get(), 0));
  if (result != SQLITE_DONE) return sqlite_->Error(path_, result);
  return Status(Code::kCorruption, fmt::format("has no \"{}\"", key), {.file = path_});
}

Status FeedbackLog::SetValue(const char* key, std::uint64_t value) {
  const Use use(sqlite_->set_value);
  sqlite3_bind_text(sqlite_->set_value.get(), 1, key, -1, SQLITE_STATIC);
  sqlite_->set_value.Bind(2, value);
  return sqlite_->Finish(path_, &sqlite_->set_value);
}

Status FeedbackLog::InTransaction(const std::function<Status()>& body) {
  const auto run = [&](Statement* statement) {
    const Use use(*statement);
    return sqlite_->Finish(path_, statement);
  };
  EQUIPOISE_RETURN_IF_ERROR(run(&sqlite_->begin));
  Status status = body();
  if (status.ok()) status = run(&sqlite_->commit);
  // Some errors have ended it already.
  if (!status.ok() && sqlite3_get_autocommit(sqlite_->connection) == 0)
    sqlite3_exec(sqlite_->connection, "ROLLBACK", nullptr, nullptr, nullptr);
  return status;
}

Status FeedbackLog::Append(const SearchContext& context, FeedbackEntry* feedback) {
  Sqlite& db = *sqlite_;
  FeedbackEntry& f = *feedback;
  f.number = last_ + 1;
  f.query_id = context.query_id;
  const Status written = InTransaction([&]() -> Status {
    {
      const std::string bytes = context.Serialize();
      const Use use(db.put_context);
      db.put_context.Bind(1, context.query_id);
      db.put_context.Bind(2, std::string_view(bytes));
      EQUIPOISE_RETURN_IF_ERROR(db.Finish(path_, &db.put_context));
    }
    const Use use(db.put_feedback);
    Statement& put = db.put_feedback;
    put.Bind(1, f.number);
    put.Bind(2, f.query_id);
    put.Bind(3, f.doc);
    put.Bind(4, f.rating);
    put.Bind(5, f.groundedness);
    put.Bind(6, f.confidence);
    put.Bind(7, f.dwell);
    put.Bind(8, f.time);
    put.Bind(9, f.now);
    put.Bind(10, f.source);
    put.Bind(11, f.weight);
    put.Bind(12, ChecksumOf(f));
    return db.Finish(path_, &put);
  });
  EQUIPOISE_RETURN_IF_ERROR(written);
  last_ = f.number;
  return {};
}

Result<SearchContext> FeedbackLog::Context(std::uint64_t query_id) {
  const Use use(sqlite_->get_context);
  sqlite3_stmt* const row = sqlite_->get_context.get();
  sqlite_->get_context.Bind(1, query_id);
  const int result = sqlite_->get_context.Step();
  if (result == SQLITE_DONE)
    return Status(Code::kNotFound, fmt::format("holds no query {}", query_id), {.file = path_});
  if (result != SQLITE_ROW) return sqlite_->Error(path_, result);
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, 0));
  auto read = SearchContext::Parse({bytes, static_cast<std::size_t>(sqlite3_column_bytes(row, 0))});
  if (!read) return read.error().At({.file = path_});
  if (read->query_id != query_id)
    return Status(Code::kCorruption, fmt::format("holds another query as {}", query_id),
                  {.file = path_});
  return read;
}

Status FeedbackLog::Each(std::uint64_t after, const Visitor& visit) {
  const Use use(sqlite_->get_rows);
  sqlite_->get_rows.Bind(1, after);
  FeedbackEntry feedback;
  for (;;) {
    const int result = sqlite_->get_rows.Step();
    if (result == SQLITE_DONE) return {};
    if (result != SQLITE_ROW) return sqlite_->Error(path_, result);
    if (!ReadRow(sqlite_->get_rows.get(), &feedback))
      return Status(Code::kCorruption,
                    fmt::format("feedback {} is not what was written; restore the log, or move it "
                                "away to start a new one",
                                feedback.number),
                    {.file = path_});
    EQUIPOISE_RETURN_IF_ERROR(visit(feedback));
  }
}

Result<std::vector<FeedbackEntry>> FeedbackLog::Of(std::uint64_t query_id, std::uint64_t before) {
  const Use use(sqlite_->get_rows_of);
  sqlite_->get_rows_of.Bind(1, query_id);
  sqlite_->get_rows_of.Bind(2, before);
  std::vector<FeedbackEntry> out;
  for (;;) {
    const int result = sqlite_->get_rows_of.Step();
    if (result == SQLITE_DONE) return out;
    if (result != SQLITE_ROW) return sqlite_->Error(path_, result);
    FeedbackEntry feedback;
    if (!ReadRow(sqlite_->get_rows_of.get(), &feedback))
      return Status(Code::kCorruption,
                    fmt::format("feedback {} is not what was written", feedback.number),
                    {.file = path_});
    out.push_back(feedback);
  }
}

Status FeedbackLog::Freeze() { return sqlite_->Run(path_, "BEGIN"); }

Status FeedbackLog::Skip(std::uint64_t number) {
  if (number <= last_) return {};
  EQUIPOISE_RETURN_IF_ERROR(SetValue("skipped", number));
  last_ = number;
  return {};
}

Status FeedbackLog::Remove(std::uint64_t number, double time) {
  // The first that stays: what comes after it stays too, whatever its time, so that the log has no holes.
  Statement first;
  Sqlite& db = *sqlite_;
  if (const int result = first.Prepare(
          db.connection,
          "SELECT min(number) FROM feedback WHERE number > ?1 OR now >= ?2 OR time >= ?2");
      result != SQLITE_OK)
    return db.Error(path_, result);
  first.Bind(1, number);
  first.Bind(2, time);
  EQUIPOISE_RETURN_IF_ERROR(db.Finish(path_, &first));
  const bool any = sqlite3_column_type(first.get(), 0) != SQLITE_NULL;
  const std::uint64_t end =
      any ? Unsigned(sqlite3_column_int64(first.get(), 0)) - 1 : std::min(number, last_);
  sqlite3_reset(first.get());
  if (end <= removed_) return {};
  const std::string text = fmt::format(
      "DELETE FROM feedback WHERE number <= {0};"
      "DELETE FROM query WHERE NOT EXISTS (SELECT 1 FROM feedback WHERE query = query.id);"
      "UPDATE log SET value = {0} WHERE key = 'removed'",
      end);
  EQUIPOISE_RETURN_IF_ERROR(InTransaction([&] { return db.Run(path_, text.c_str()); }));
  removed_ = end;
  return {};
}

}  // namespace equipoise
