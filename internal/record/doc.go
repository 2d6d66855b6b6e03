// Package record makes the record of an archive or layout: what a person signs before it crosses, and what
// the far side compares with what has arrived. [Build] makes the [Document] of a set of images, [Write] and
// [WritePage] write it as JSON and as a page of HTML that holds the JSON too, [Read] reads either, and
// [Compare] says how two records differ.
//
// A record says nothing of the time, the machine or the version of drayage that made it: one archive has one
// record, whoever makes it.
package record
