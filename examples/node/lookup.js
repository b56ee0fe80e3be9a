// Which RAW file holds each event? `npm install`, then
//     node lookup.js 127.0.0.1:50051 12345:4917 12345:1
// Numbers are strings: those of 64 bits do not fit into JavaScript's.

import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [address, ...pairs] = process.argv.slice(2);
if (!address || !pairs.length || !pairs.every((pair) => /^\d+:\d+$/.test(pair))) {
  console.error("usage: node lookup.js HOST:PORT RUN:EVENT...");
  process.exit(2);
}
const protos = fileURLToPath(new URL("../../protos", import.meta.url));
const definition = loader.loadSync("eventindex/v1/lookup.proto", { includeDirs: [protos], keepCase: true, longs: String });
const { IndexService } = grpc.loadPackageDefinition(definition).eventindex.v1;
const index = new IndexService(address, grpc.credentials.createInsecure(), {
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
});
const metadata = new grpc.Metadata();
if (process.env.EVENTINDEX_TOKEN) metadata.set("authorization", `Bearer ${process.env.EVENTINDEX_TOKEN}`);
const [run_numbers, event_numbers] = [0, 1].map((place) => pairs.map((pair) => pair.split(":")[place]));

index.Lookup({ run_numbers, event_numbers }, metadata, { deadline: Date.now() + 30_000 }, (error, answer) => {
  if (error) {
    console.error(`the index: ${error.details}`);
    process.exitCode = 1;
  } else {
    // 0 is not found; 1 is files[0].
    answer.file_indexes.forEach((file, i) => console.log(run_numbers[i], event_numbers[i], file ? answer.files[file - 1].fuid_raw : "-"));
    process.exitCode = answer.not_found ? 3 : 0;
  }
  index.close();
});
