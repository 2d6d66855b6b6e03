// Package results runs every command that has --json, in success and in failure, and compares what it prints
// with docs/results.schema.json. The examples in docs/json.md are compared with the schema too. DRAYAGE_BIN
// names the command to test; without it the parent module's is built.
package results
