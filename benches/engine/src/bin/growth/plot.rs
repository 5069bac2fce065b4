//! A line chart as SVG: logarithmic to the right, from zero upwards, one line a series. Nothing but text is written.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 48.0;

/// Told apart by people who see colours differently, too: each line also has its name at its end.
const COLOURS: [&str; 6] = ["#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#b91c1c", "#525252"];

/// A line: its name and its points, by ascending x.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The whole document.
pub(crate) fn svg(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| series.points.iter().copied());
    let least = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| x).fold(0.0, f64::max);
    let step = step_of(points().map(|(_, y)| y).fold(0.0, f64::max));
    let top = points()
        .map(|(_, y)| (y / step).ceil() * step)
        .fold(step, f64::max);
    let place_x = |x: f64| {
        let share = (x / least).ln() / (most / least).ln().max(f64::MIN_POSITIVE);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let place_y = |y: f64| HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM);

    let mut out = frame(title, x_label, y_label);
    let mut mark = 0.0;
    while mark <= top {
        let y = place_y(mark);
        let right = WIDTH - RIGHT;
        out += &format!("<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\n");
        out += &text(LEFT - 6.0, y + 4.0, "end", &short(mark));
        mark += step;
    }
    let mut marks: Vec<f64> = points().map(|(x, _)| x).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for x in marks {
        out += &text(place_x(x), HEIGHT - BOTTOM + 18.0, "middle", &short(x));
    }
    let mut labels: Vec<(f64, String)> = Vec::new();
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let places = series.points.iter().map(|(x, y)| (place_x(*x), place_y(*y)));
        let places: Vec<_> = places.collect();
        out += &line(&places, colour);
        if let Some((x, y)) = places.last() {
            labels.push((
                *y,
                format!(
                    "<text x=\"{:.1}\" y=\"Y\" fill=\"{colour}\">{}</text>\n",
                    x + 8.0,
                    series.name
                ),
            ));
        }
    }
    out + &apart(labels) + "</svg>\n"
}

fn frame(title: &str, x_label: &str, y_label: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{title}: {y_label}</text>"
    )
    .expect("a string");
    out += &text(
        LEFT + (WIDTH - LEFT - RIGHT) / 2.0,
        HEIGHT - 10.0,
        "middle",
        x_label,
    );
    out
}

fn line(places: &[(f64, f64)], colour: &str) -> String {
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut out = format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
        path.join(" ")
    );
    for (x, y) in places {
        writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
        )
        .expect("a string");
    }
    out
}

/// Labels that do not stand on each other.
fn apart(mut labels: Vec<(f64, String)>) -> String {
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = f64::NEG_INFINITY;
    let placed = labels.into_iter().map(|(y, label)| {
        let y = y.max(free);
        free = y + 14.0;
        label.replace("\"Y\"", &format!("\"{:.1}\"", y + 4.0))
    });
    placed.collect()
}

fn text(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
}

/// The distance of marks: 1, 2 or 5 times a power of ten, so that there are three to eight of them.
fn step_of(most: f64) -> f64 {
    let power = 10f64.powf((most.max(1e-9) / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    steps
        .into_iter()
        .find(|step| most / step <= 8.0)
        .unwrap_or(power * 10.0)
}

/// 1500 as `1,500`, 1,000,000 as `1M`.
pub(crate) fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 && value % 1e5 == 0.0 => format!("{}M", value / 1e6),
        value if value >= 1e4 && value % 1e3 == 0.0 => format!("{}k", value / 1e3),
        value if value >= 100.0 => {
            let whole = format!("{value:.0}");
            match whole.len() {
                4.. => format!("{},{}", &whole[..whole.len() - 3], &whole[whole.len() - 3..]),
                _ => whole,
            }
        }
        value if value >= 10.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        let written = [0.0, 0.126, 3.0, 42.4, 512.0, 1_500.0, 20_000.0, 1_000_000.0].map(short);
        assert_eq!(written, ["0", "0.13", "3", "42", "512", "1,500", "20k", "1M"]);
    }

    #[test]
    fn the_highest_point_is_below_the_top_and_the_lowest_above_the_bottom() {
        let points = vec![(10.0, 0.0), (100.0, 33.0), (1_000.0, 97.0)];
        let chart = svg(
            "t",
            "x",
            "y",
            &[Series {
                name: "s".to_owned(),
                points,
            }],
        );
        assert!(chart.contains("points=\"70.0,312.0 300.0,"), "{chart}");
        let last = chart
            .split("530.0,")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let y: f64 = last.unwrap().parse().unwrap();
        assert!((TOP..100.0).contains(&y), "{y}");
    }

    #[test]
    fn labels_stand_apart() {
        let labels = vec![(50.0, "\"Y\";".to_owned()), (52.0, "\"Y\";".to_owned())];
        assert_eq!(apart(labels), "\"54.0\";\"68.0\";");
    }
}
