// `krait data build` against SIGKILL at random moments.
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.h"
#include "core/system/file.h"
#include "data/token_set/token_set.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

class KillBuild : public testing::Test {
 protected:
  KillBuild() {
    const RandomStream random{.seed = 5};
    std::ofstream lines(dir_ / "in.jsonl");
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::uint64_t draw = random.bits64(i);
      lines << "{\"text\": \"" << i << std::string(draw % 1500, static_cast<char>('a' + draw % 26))
            << "\"}\n";
    }
  }

  pid_t start(const std::string& out, const std::string& shard_tokens) const {
    std::vector<std::string> words{KRAIT_BINARY, "data", "build",      (dir_ / "in.jsonl").string(),
                                   "--out",      "",     "--held-out", "0.01"};
    words[5] = (dir_ / out).string();
    if (!shard_tokens.empty()) words.insert(words.end(), {"--shard-tokens", shard_tokens});
    const pid_t pid = fork();
    if (pid == 0) {
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, 1), dup2(null, 2);
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      execv(KRAIT_BINARY, arguments.data());
      _exit(127);
    }
    return pid;
  }
  static int wait_for(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  std::map<std::string, std::string> contents(const std::string& out) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / out)) {
      if (entry.is_regular_file()) {
        files[fs::relative(entry.path(), dir_ / out).string()] = file_sha256(entry.path());
      }
    }
    return files;
  }
  /// Kills builds into `out` up to `most` times, each after up to `longest` seconds, then lets one
  /// end. `check` looks at what a kill has left.
  template <class Check>
  int kill_until_done(const std::string& out, const std::string& shard_tokens, double longest,
                      int most, Check&& check) const {
    const RandomStream random{.seed = 6};
    int kills = 0;
    for (; kills < most; ++kills) {
      const pid_t pid = start(out, shard_tokens);
      std::this_thread::sleep_for(std::chrono::duration<double>(
          random.uniform(static_cast<std::uint64_t>(kills)) * longest));
      kill(pid, SIGKILL);
      const int code = wait_for(pid);
      if (code == 0) return kills;
      EXPECT_EQ(code, -SIGKILL);
      check();
    }
    EXPECT_EQ(wait_for(start(out, shard_tokens)), 0);
    return kills;
  }
  double time_of(const std::string& out, const std::string& shard_tokens) const {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(wait_for(start(out, shard_tokens)), 0);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  TemporaryDirectory dir_;
};

TEST_F(KillBuild, ABuildInShardsKilledAtRandomMomentsEndsAsOneThatWasNot) {
  const double whole = time_of("straight", "500000");
  const auto expected = contents("straight");
  ASSERT_GE(TokenSet(dir_ / "straight/train").info().n_shards, 20u);
  const auto check = [&] {
    // Until the end there is no set that could be taken for a whole one.
    for (const char* part : {"train", "valid"}) {
      if (fs::exists(dir_ / "killed" / part)) {
        EXPECT_NO_THROW(TokenSet(dir_ / "killed" / part)) << "in place, so it must be whole";
      }
    }
  };
  // Sooner and sooner: on a machine whose load changes a build can outrun the kills.
  int kills = 0;
  for (double longest = 0.6 * whole; kills < 3; longest /= 2) {
    fs::remove_all(dir_ / "killed");
    kills = kill_until_done("killed", "500000", longest, 12, check);
    EXPECT_EQ(contents("killed"), expected);
  }
}

TEST_F(KillBuild, ABuildWithoutShardsLeavesTheOldSetsUntilItSucceeds) {
  const double whole = time_of("out", "");
  const auto expected = contents("out");
  ASSERT_EQ(expected.size(), 2u);
  int kills = 0;
  for (double longest = 0.8 * whole; kills < 2; longest /= 2) {
    for (const char* name : {"train.h5", "valid.h5"}) write_quickly(dir_ / "killed" / name, "old");
    const auto old = contents("killed");
    kills = kill_until_done("killed", "", longest, 8, [&] {
      for (const auto& [name, hash] : contents("killed")) {
        if (name.starts_with(".")) continue;  // the new file, before it gets its name
        EXPECT_TRUE(hash == old.at(name) || hash == expected.at(name)) << name;
      }
    });
    EXPECT_EQ(contents("killed"), expected);
  }
}

}  // namespace
}  // namespace krait
