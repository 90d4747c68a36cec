// Questions with known answers, from JSONL files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace krait {

enum class TaskKind : std::uint8_t {
  MultipleChoice,  // which choice continues the context best? (HellaSwag, PIQA, ARC)
  LastWord,        // is the target what the model would write after the context? (LAMBADA)
};

struct TaskExample {
  std::string context;
  std::vector<std::string> choices;  // LastWord: the target alone
  std::size_t gold = 0;              // the right choice
  std::uint64_t line = 0;            // of the file, from 1
};

struct TaskFile {
  std::filesystem::path path;
  std::string sha256;
  TaskKind kind = TaskKind::MultipleChoice;
  std::vector<TaskExample> examples;  // at least one
};

/// Reads a file with one JSON object per line, all of one kind:
///
///   {"context": "...", "choices": ["...", ...], "gold": 0}   gold: place of the right one, from 0
///   {"context": "...", "target": "..."}
///   {"text": "..."}        what LAMBADA comes as: the target is what follows the last blank
///
/// Other fields and blank lines are ignored. Contexts may be empty; targets and choices, of which
/// there must be at least two, must not. Throws MissingInput, Io, and BadData, "file:line: ...",
/// for a line of another form.
TaskFile read_task_file(const std::filesystem::path& path);

}  // namespace krait
