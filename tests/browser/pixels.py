"""Whether pictures are on the screen as they were, and how soon they are."""

PIXELS = """const pixels = (root) => [...root.querySelectorAll("canvas")].filter((c) => c.offsetParent).map(
    (c) => c.getContext("2d").getImageData(0, 0, c.width, c.height));
"""
KEPT = f"(root) => {{ {PIXELS} window.kept = pixels(root); }}"
# What is drawn twice may differ by a shade at the edges of lines.
SAME = f"""([root, wanted]) => {{
    {PIXELS}
    const alike = (a, b) => a.width === b.width && a.height === b.height
        && a.data.every((x, k) => Math.abs(x - b.data[k]) < 8);
    const now = pixels(root);
    return (now.length === kept.length && now.every((each, k) => alike(each, kept[k]))) === wanted;
}}"""


def keep(root):
    """Remembers the pictures shown in this part of a page: Playwright's locator."""
    root.evaluate(KEPT)


def are_kept(root):
    """Returns when the pictures are those remembered."""
    root.page.wait_for_function(SAME, arg=[root.element_handle(), True])


def are_others(root):
    """Returns when one of the pictures is another than the one remembered."""
    root.page.wait_for_function(SAME, arg=[root.element_handle(), False])


# Time from a change of traits to the picture on the screen, the median of several; the page is drawn once a frame.
TIMES = """([trait, values]) => new Promise((done) => {
    const control = document.querySelector(`.clt-${trait}`), canvas = document.querySelector("canvas"), times = [];
    const next = (k) => {
        if (k === values.length) { times.sort((a, b) => a - b); done(times[times.length >> 1]); return; }
        const before = canvas.dataset.frame, start = performance.now();
        if (control.tagName === "SELECT") control.selectedIndex = values[k]; else control.value = values[k];
        control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input"));
        const wait = () => requestAnimationFrame(() => {
            if (canvas.dataset.frame === before) { wait(); return; }
            times.push(performance.now() - start);
            next(k + 1);
        });
        wait();
    };
    next(0);
})"""
