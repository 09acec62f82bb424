#!/usr/bin/env bash
# Sends requests to applications without a server: by the test clients of Express and Fastify, and as functions of Lambda.
. "$(dirname "$0")/../area.sh"
node_programs || exit 1

for program in supertest light-my-request fastify-inject fastify-inject-parsed fastify-aws-lambda-{1,2} serverless-express-{1,2} serverless-http-{1,2}; do
  check "$program" timeout 300 node "$area/case.mjs" "$program"
done

finish
