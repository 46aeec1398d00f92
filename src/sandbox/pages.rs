//! The frame of every page of the sandbox: plain, without script, light or dark as the browser asks.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:light-dark(#0b5cad,#7ab8ff)}\
*{box-sizing:border-box}\
body{margin:0;font:1rem/1.5 system-ui,sans-serif;background:light-dark(#f6f7f9,#15181c);color:light-dark(#1b1f24,#e6e9ed)}\
.sandbox{margin:0;padding:.5rem 1rem;text-align:center;font-size:.875rem;background:light-dark(#fff1c9,#4a3a08);color:light-dark(#5c4300,#ffe29a)}\
main{max-width:40rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}\
.card{background:light-dark(#fff,#1d2126);border:1px solid var(--line);border-radius:.75rem;padding:1.5rem}\
form{margin:.5rem 0 0}\
button{display:block;width:100%;text-align:left;font:inherit;color:inherit;padding:.75rem 1rem;background:var(--soft);border:1px solid var(--line);border-radius:.5rem;cursor:pointer}\
button:hover,button:focus-visible{border-color:var(--accent);outline:2px solid var(--accent);outline-offset:1px}\
button strong{display:block}\
small,dt{color:light-dark(#57606a,#a3acb6)}\
dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.5rem 1rem;margin:1rem 0 0}\
dt,dd{margin:0}\
dd{overflow-wrap:anywhere}\
code{font:.9375em ui-monospace,monospace}\
@media(max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.75rem}}";

pub(super) fn page(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                p.sandbox {
                    "This is the Postern sandbox on your own machine. Nothing here reaches AWS or a real directory."
                }
                main { div.card { h1 { (title) } (content) } }
            }
        }
    }
}
