//! Plots with two logarithmic axes, as SVG. The background is opaque, so that they are read on any page.

use std::fmt::Write as _;

pub struct Panel {
    pub title: &'static str,
    pub x: &'static str,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;
const LEGEND: f64 = 44.0;

/// Colours that are told apart in black and white, and with any kind of colour blindness (Okabe and Ito's).
const COLOURS: [&str; 6] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#555555", "#e69f00"];

/// Two panels a row, one legend for all. The first series is drawn thicker than the others.
pub fn svg(title: &str, panels: &[Panel]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for series in panels.iter().flat_map(|panel| &panel.series) {
        if !names.contains(&series.name) {
            names.push(series.name);
        }
    }
    let colour =
        |name: &str| COLOURS[names.iter().position(|known| *known == name).unwrap_or(0) % COLOURS.len()];
    let (width, height) = (2.0 * WIDTH, LEGEND + panels.len().div_ceil(2) as f64 * HEIGHT);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <title>{title}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#fff\"/>\n"
    );
    for (n, name) in names.iter().enumerate() {
        let x = LEFT + n as f64 * 165.0;
        let _ = writeln!(
            out,
            "<line x1=\"{x}\" x2=\"{}\" y1=\"26\" y2=\"26\" stroke=\"{}\" stroke-width=\"{}\"/>\
             <text x=\"{}\" y=\"30\">{name}</text>",
            x + 22.0,
            colour(name),
            if n == 0 { 3.5 } else { 2.0 },
            x + 28.0
        );
    }
    for (n, panel) in panels.iter().enumerate() {
        let (x, y) = ((n % 2) as f64 * WIDTH, LEGEND + (n / 2) as f64 * HEIGHT);
        let _ = writeln!(out, "<g transform=\"translate({x} {y})\">");
        draw(&mut out, panel, &colour, names.first().copied().unwrap_or_default());
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel, colour: &dyn Fn(&str) -> &'static str, thick: &str) {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (x_low, x_high) = bounds(&mut points().map(|point| point.0));
    let (y_low, y_high) = bounds(&mut points().map(|point| point.1));
    if x_low >= x_high || y_low > y_high {
        return;
    }
    let (y_low, y_high) = (10_f64.powf(y_low.log10().floor()), 10_f64.powf(y_high.log10().ceil()));
    let place = |value: f64, low: f64, high: f64| (value / low).ln() / (high / low).ln();
    let at_x = |x: f64| LEFT + place(x, x_low, x_high) * (WIDTH - LEFT - RIGHT);
    let at_y = |y: f64| HEIGHT - BOTTOM - place(y, y_low, y_high.max(y_low * 10.0)) * (HEIGHT - TOP - BOTTOM);

    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"24\" font-size=\"14\" font-weight=\"600\">{}</text>",
        panel.title
    );
    let mut tick = y_low;
    while tick <= y_high.max(y_low * 10.0) * 1.001 {
        let y = at_y(tick);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            number(tick)
        );
        tick *= 10.0;
    }
    let mut xs: Vec<f64> = points().map(|point| point.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    for x in xs {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            at_x(x),
            HEIGHT - BOTTOM + 18.0,
            number(x)
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0,
        panel.x
    );
    for series in &panel.series {
        let (colour, width) = (colour(series.name), if series.name == thick { 3.5 } else { 2.0 });
        let path: Vec<String> =
            series.points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
            path.join(" ")
        );
        for (x, y) in &series.points {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{}: {}</title></circle>",
                at_x(*x),
                at_y(*y),
                series.name,
                number(*y)
            );
        }
    }
}

/// A number for people: `640`, `1.2 k`, `3 M`.
fn number(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let decimals = if value >= 100.0 { 0 } else { 3 };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}
