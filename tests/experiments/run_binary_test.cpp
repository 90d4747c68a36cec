#include "tests/experiments/run_binary.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/system/file.h"

namespace krait {
namespace {

// The child: only calls that are safe after fork.
[[noreturn]] void become_krait(const std::vector<char*>& argv, const char* directory, int out,
                               int err) {
  const int in = open("/dev/null", O_RDONLY);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (chdir(directory) == 0) execv(argv.front(), argv.data());
  _exit(127);
}

}  // namespace

BinaryResult run_krait(const std::vector<std::string>& arguments, const std::string& directory) {
  std::string binary = KRAIT_BINARY;
  std::vector<std::string> words = arguments;
  std::vector<char*> argv = {binary.data()};
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  std::FILE* out = std::tmpfile();
  std::FILE* err = std::tmpfile();
  const std::string where = directory.empty() ? "." : directory;
  const pid_t child = fork();
  if (child == 0) become_krait(argv, where.c_str(), fileno(out), fileno(err));
  int status = 0;
  waitpid(child, &status, 0);
  const auto contents = [](std::FILE* file) {
    std::rewind(file);
    std::string text;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
    std::fclose(file);
    return text;
  };
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = contents(out),
          .err = contents(err)};
}

TEST(RunKrait, KeepsOutputErrorsAndExitCodeApart) {
  const BinaryResult good = run_krait({"--version"});
  EXPECT_EQ(good.code, 0);
  EXPECT_EQ(good.out.rfind("krait ", 0), 0u) << good.out;
  EXPECT_EQ(good.err, "");
  const BinaryResult bad = run_krait({"--no-such-flag"});
  EXPECT_EQ(bad.code, 64);
  EXPECT_EQ(bad.out, "");
  EXPECT_NE(bad.err, "");
}

}  // namespace krait
