// Which RAW file holds each event of a list? Reads "run event" lines from standard input, sends them in
// batches over one stream, and prints the file id of each, or "-" where the event is not in the index.
//
//     echo "12345 4917" | ./lookup 127.0.0.1:50051
//
// Exit code: 0 all were found, 3 some were not, 1 failure, 2 bad usage.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "eventindex/v1/lookup.grpc.pb.h"

namespace v1 = eventindex::v1;
using Pair = std::pair<std::uint64_t, std::uint64_t>;

// A message has a price of its own: 10,000 pairs in each are fast; 100,000 are the most it takes.
constexpr std::size_t kPairsPerBatch = 10000;
// The largest answer; gRPC's own limit of 4 MiB is below it.
constexpr int kMessageBytesMax = 16 * 1024 * 1024;

static bool ReadPairs(std::istream& in, std::vector<Pair>& pairs) {
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    std::istringstream words(line);
    Pair pair;
    std::string rest;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line.find('-') != std::string::npos || !(words >> pair.first >> pair.second) || words >> rest) {
      std::cerr << "line " << number << ": not a run and an event number: " << line << "\n";
      return false;
    }
    pairs.push_back(pair);
  }
  return true;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: lookup HOST:PORT < pairs\n";
    return 2;
  }
  std::vector<Pair> pairs;
  if (!ReadPairs(std::cin, pairs)) return 2;

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  auto channel = grpc::CreateCustomChannel(argv[1], grpc::InsecureChannelCredentials(), arguments);
  auto index = v1::IndexService::NewStub(channel);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(10));
  // An access token, where the index asks for one (and then TLS instead of the insecure channel).
  if (const char* token = std::getenv("EVENTINDEX_TOKEN"))
    context.AddMetadata("authorization", std::string("Bearer ") + token);
  auto stream = index->LookupStream(&context);

  // Send in a thread of its own while answers are read: they come in order, one a batch.
  std::thread sender([&] {
    for (std::size_t start = 0; start < pairs.size(); start += kPairsPerBatch) {
      v1::LookupRequest request;
      request.set_batch_id(start / kPairsPerBatch + 1);
      for (std::size_t i = start; i < pairs.size() && i < start + kPairsPerBatch; ++i) {
        request.add_run_numbers(pairs[i].first);
        request.add_event_numbers(pairs[i].second);
      }
      if (!stream->Write(request)) break;
    }
    stream->WritesDone();
  });

  std::uint64_t missing = 0;
  std::size_t place = 0;
  v1::LookupResponse response;
  while (stream->Read(&response)) {
    for (const auto file : response.file_indexes()) {
      const auto& [run, event] = pairs[place++];
      // 0 is not found; 1 is files[0].
      std::cout << run << ' ' << event << ' ' << (file ? response.files(file - 1).fuid_raw() : "-") << '\n';
    }
    missing += response.not_found();
  }
  sender.join();
  if (const auto status = stream->Finish(); !status.ok()) {
    std::cerr << "the index: " << status.error_message() << "\n";
    return 1;
  }
  std::cerr << place - missing << " found, " << missing << " not found\n";
  return missing ? 3 : 0;
}
