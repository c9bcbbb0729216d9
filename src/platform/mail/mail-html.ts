/** Ours stand on a line of their own. Words that somebody chose stand in sentences, and lead nowhere. */
const LINK = /^https?:\/\/\S+$/;

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/**
 * The same words as the text, for programs that show HTML. It loads nothing from anywhere, and names no colour: what is light or dark
 * is up to whoever reads. Styles stand at their elements, since some programs drop all others.
 */
export function mailHtml({ subject, text, language }: { subject: string; text: string; language?: string }): string {
  const paragraphs = text
    .split(/(?:\r?\n){2,}/)
    .map((one) => `<p style="margin:0 0 16px">${paragraph(one.trim())}</p>`);
  const lang = language === undefined ? '' : ` lang="${escaped(language)}"`;
  return `<!DOCTYPE html>
<html${lang}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escaped(subject)}</title>
<style>:root { color-scheme: light dark; supported-color-schemes: light dark; }</style>
</head>
<body style="margin:0;padding:0">
<div role="article" aria-labelledby="subject"${lang} style="max-width:560px;margin:0 auto;padding:32px 24px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',sans-serif;font-size:16px;line-height:1.6;word-break:keep-all;overflow-wrap:anywhere">
<h1 id="subject" style="margin:0 0 24px;font-size:20px;line-height:1.4">${escaped(subject)}</h1>
${paragraphs.join('\n')}
</div>
</body>
</html>
`;
}

/** What is nothing but an address becomes a link that shows where it leads. */
function paragraph(text: string): string {
  const lines = text.split(/\r?\n/).map((line) => {
    const shown = escaped(line);
    return LINK.test(line) ? `<a href="${shown}">${shown}</a>` : shown;
  });
  return lines.join('<br>\n');
}
