# wiki.*.tokens to one article a line of JSON: an article begins at a line " = Title = "
import json, re, sys
text = open(sys.argv[1], encoding='utf-8').read()
starts = [m.start() for m in re.finditer(r'^ = [^=\n]+ = $', text, re.M)]
# the blank line before a title belongs to the article
cuts = [0] + [text.rfind('\n', 0, s - 1) + 1 for s in starts[1:]] + [len(text)]
for a, b in zip(cuts, cuts[1:]):
    print(json.dumps({'text': text[a:b]}, ensure_ascii=False))
