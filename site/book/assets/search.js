"use strict";

// The search: every word of the query has to be in a section, in its heading or in the title of its page. Best
// first. It needs no page around it.

if (typeof document !== "undefined") document.documentElement.classList.add("js");

function searchWords(query) {
  return query.toLowerCase().split(/[\s"'`,;()]+/).filter(function (word) { return word !== ""; });
}

// searchLetter is a letter or digit of text in lower case.
var searchLetter = /[a-z0-9\u00c0-\uffff]/;

// searchWeight says how well a word stands in a text: 0 not at all, 1 inside of a word, 2 at its start, 3 as a
// word of its own.
function searchWeight(text, word) {
  var best = 0;
  for (var at = text.indexOf(word); at >= 0 && best < 3; at = text.indexOf(word, at + 1)) {
    var end = at + word.length;
    var starts = at === 0 || !searchLetter.test(text[at - 1]) || !searchLetter.test(word[0]);
    var ends = end === text.length || !searchLetter.test(text[end]);
    best = Math.max(best, starts ? (ends ? 3 : 2) : 1);
  }
  return best;
}

// searchRun is how many words stand in a text one after the other, at most.
function searchRun(text, words) {
  var longest = 0;
  for (var i = 0; i < words.length; i++) {
    while (i + longest < words.length && text.indexOf(words.slice(i, i + longest + 1).join(" ")) >= 0) longest++;
  }
  return longest;
}

// searchNearest returns the three sections that hold the most words in a row. Who pastes a message pastes names
// too that no page has.
function searchNearest(index, words) {
  words = words.map(function (word) { return word.replace(/^[.:]+|[.:]+$/g, ""); });
  var near = [];
  index.forEach(function (row, order) {
    var run = searchRun((row[2] + " " + row[3]).toLowerCase(), words);
    if (run > 2) near.push({ run: run, order: order, row: row });
  });
  near.sort(function (a, b) { return b.run - a.run || a.order - b.order; });
  return near.slice(0, 3).map(function (one) { return searchSection(one.row, words); });
}

function searchSection(row, words) {
  return { url: row[0], page: row[1], heading: row[2], text: searchExcerpt(row[3], words) };
}

// searchFind returns at most `most` sections as {url, page, heading, text}, and how many there are. If none has
// all words, total is 0, and the sections are the nearest.
function searchFind(index, query, most) {
  var words = searchWords(query), phrase = words.join(" "), found = [];
  if (words.length === 0) return { total: 0, sections: [] };
  index.forEach(function (row, order) {
    var page = row[1].toLowerCase(), heading = row[2].toLowerCase(), text = row[3].toLowerCase();
    var score = 0;
    for (var i = 0; i < words.length; i++) {
      var inPage = searchWeight(page, words[i]), inHeading = searchWeight(heading, words[i]);
      var inText = searchWeight(text, words[i]);
      if (inPage + inHeading + inText === 0) return;
      // The start of a page stands for its title.
      score += inHeading * 10 + inPage * (row[2] === "" ? 10 : 2) + inText * 3;
    }
    if (words.length > 1 && (page + " " + heading + " " + text).indexOf(phrase) >= 0) score += 12;
    found.push({ score: score, order: order, row: row });
  });
  if (found.length === 0) return { total: 0, sections: searchNearest(index, words) };
  found.sort(function (a, b) { return b.score - a.score || a.order - b.order; });
  return {
    total: found.length,
    sections: found.slice(0, most).map(function (one) { return searchSection(one.row, words); })
  };
}

// searchExcerpt is the text around the place where most of the words stand together.
function searchExcerpt(text, words) {
  var low = text.toLowerCase(), room = 150, best = 0, bestCount = -1;
  words.forEach(function (word) {
    for (var at = low.indexOf(word), n = 0; at >= 0 && n < 20; at = low.indexOf(word, at + 1), n++) {
      var near = low.slice(Math.max(0, at - 40), at + room - 40);
      var count = words.filter(function (w) { return near.indexOf(w) >= 0; }).length;
      if (count > bestCount) { bestCount = count; best = at; }
    }
  });
  var from = best <= 40 ? 0 : text.indexOf(" ", best - 40) + 1;
  if (from > best) from = best;
  var cut = text.slice(from, from + room);
  if (from + room < text.length) cut = cut.slice(0, Math.max(cut.lastIndexOf(" "), 1)) + " ...";
  return (from > 0 ? "... " : "") + cut;
}
