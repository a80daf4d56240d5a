//! `report.html`: one page that stands alone, without scripts or anything fetched, for screen (light, dark) and paper.

mod escape;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stitchbox_stitch::Stitched;

use self::escape::escape;
use crate::figure::label;
use crate::figures::Figures;
use crate::profile::Profile;
use crate::record::Record;
use crate::summary::Summary;

const STYLE: &str = include_str!("page.css");

/// The report as HTML text.
#[must_use]
pub fn report_html(stitched: &Stitched, record: &Record, summary: &Summary, figures: &Figures) -> String {
    let title = escape(&record.title);
    let sections = [
        heading(record, summary),
        warnings(summary),
        figure(&figures.height, "Stitched height map", "Stitched heights. Grey: no valid measurement."),
        profiles(stitched),
        non_observable(summary),
        constraints(summary),
        quality(figures, summary),
        correctors(summary),
        inputs(record),
        recipe(record),
        reproduce(record, summary),
    ]
    .concat();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{title} — stitched map</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{sections}\
         <footer>Written by {} ({}) · run begun {} · result digest <code>{}</code></footer>\n</main>\n</body>\n</html>\n",
        escape(&record.software),
        escape(&record.engine),
        escape(&record.started_at.readable()),
        escape(&summary.digest),
    )
}

fn heading(record: &Record, summary: &Summary) -> String {
    let site = record.site.as_ref().map(|s| format!(" at {}", escape(s))).unwrap_or_default();
    let nm = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |v| format!("{} nm", label(v)));
    let tiles = [
        ("rms", nm(Some(summary.rms_nm))),
        ("peak to valley", nm(Some(summary.pv_nm))),
        ("rms without plane", nm(summary.rms_without_plane_nm)),
        ("uncertainty of a pixel", nm(summary.uncertainty_median_nm)),
        ("noise of a sub-aperture", nm(summary.noise_nm)),
        ("size", format!("{} × {} mm", label(summary.length_mm), label(summary.width_mm))),
        ("pixels", format!("{} × {}", summary.shape[1], summary.shape[0])),
        ("sub-apertures", summary.sub_apertures.to_string()),
    ];
    let tiles: String = tiles
        .iter()
        .map(|(name, value)| format!("<div class=\"tile\"><b>{}</b><span>{name}</span></div>\n", escape(value)))
        .collect();
    format!(
        "<h1>{}</h1>\n<p class=\"soft\">Stitched height map · {} · for {}{site}</p>\n<div class=\"tiles\">\n{tiles}</div>\n",
        escape(&record.title),
        escape(&record.started_at.readable()),
        escape(&record.agent),
    )
}

fn warnings(summary: &Summary) -> String {
    summary
        .warnings
        .iter()
        .map(|w| format!("<p class=\"note\" data-code=\"{}\">{}</p>\n", escape(&w.code), escape(&w.message)))
        .collect()
}

fn figure(png: &[u8], alternative: &str, caption: &str) -> String {
    format!(
        "<figure><img alt=\"{}\" src=\"data:image/png;base64,{}\"><figcaption>{}</figcaption></figure>\n",
        escape(alternative),
        STANDARD.encode(png),
        escape(caption)
    )
}

fn profiles(stitched: &Stitched) -> String {
    let profile = Profile::along_x(stitched);
    if profile.points.len() < 2 {
        return String::new();
    }
    let rest = profile.without_parabola().map_or_else(String::new, |rest| {
        format!(
            "<figure>{}<figcaption>The same profile without its least-squares parabola.</figcaption></figure>\n",
            rest.svg("profile along x without its parabola")
        )
    });
    format!(
        "<h2>Profile along x</h2>\n<figure>{}<figcaption>Mean of {} rows about the middle of the map (rows {} to {}).\
         </figcaption></figure>\n{rest}",
        profile.svg("profile along x"),
        profile.rows,
        profile.first_row,
        profile.first_row + profile.rows - 1
    )
}

fn non_observable(summary: &Summary) -> String {
    if summary.non_observable.is_empty() {
        return String::new();
    }
    let rows: String = summary
        .non_observable
        .iter()
        .map(|n| format!("<tr><td><code>{}</code></td><td>{}</td></tr>\n", escape(&n.term), escape(&n.why)))
        .collect();
    format!(
        "<h2>What these data cannot determine</h2>\n<p>No measurement of this series contains the following shapes; the \
         map shows them as fixed by convention. Remove them before comparing with another instrument.</p>\n\
         <div class=\"scroll\"><table>\n<tr><th>shape</th><th>why, and the convention</th></tr>\n{rows}</table></div>\n"
    )
}

fn constraints(summary: &Summary) -> String {
    if summary.constraints.is_empty() {
        return String::new();
    }
    let rows = summary.constraints.iter().fold(String::new(), |mut rows, c| {
        let _ = writeln!(
            rows,
            "<tr><td><code>{}</code></td><td class=\"number\">{:.4e}</td><td class=\"number\">{:.1e}</td><td>{}</td></tr>",
            escape(&c.what),
            c.value_nm_per_mm2,
            c.uncertainty_nm_per_mm2,
            escape(&c.source)
        );
        rows
    });
    format!(
        "<h2>What other measurements determined</h2>\n<p>The overlaps alone leave these shapes open; they were taken from \
         measured angles or profiles.</p>\n<div class=\"scroll\"><table>\n<tr><th>shape</th><th class=\"number\">coefficient \
         (nm/mm²)</th><th class=\"number\">uncertainty</th><th>from</th></tr>\n{rows}</table></div>\n"
    )
}

fn quality(figures: &Figures, summary: &Summary) -> String {
    let mut html = "<h2>How sure it is</h2>\n".to_owned();
    if let Some(png) = &figures.uncertainty {
        html += &figure(
            png,
            "Uncertainty map",
            "Standard uncertainty (k = 1) of each pixel from random noise; not of the shapes listed above, nor of \
             systematic errors.",
        );
    }
    let rejected = match summary.rejected_pixels {
        0 => String::new(),
        n => format!(" {n} outlying pixels were rejected."),
    };
    html += &figure(
        &figures.residual,
        "Residual map",
        &format!("Rms of the corrected sub-apertures minus the map, where at least two overlap.{rejected}"),
    );
    html += &figure(&figures.overlap, "Overlap map", "Number of sub-apertures used at each pixel.");
    if let Some(png) = &figures.reference {
        html += &figure(png, "Reference", "Reference: the additive error that stayed in the instrument, camera frame.");
    }
    html
}

fn correctors(summary: &Summary) -> String {
    let fixed = |value: f64, decimals: usize| format!("{value:.decimals$}").replace('-', "\u{2212}");
    let rows = summary.correctors.iter().fold(String::new(), |mut rows, c| {
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td></tr>",
            escape(&c.name),
            fixed(c.x_mm, 4),
            fixed(c.y_mm, 4),
            fixed(c.piston_nm, 2),
            fixed(c.pitch_nm_per_mm, 4),
            fixed(c.roll_nm_per_mm, 4),
            fixed(c.residual_rms_nm, 4),
            c.rejected
        );
        rows
    });
    let heads =
        ["x (mm)", "y (mm)", "piston (nm)", "pitch (nm/mm)", "roll (nm/mm)", "residual rms (nm)", "rejected pixels"];
    let heads: String = heads.iter().map(|h| format!("<th class=\"number\">{h}</th>")).collect();
    format!(
        "<h2>Sub-apertures</h2>\n<p>Piston, pitch and roll that each one carried against the map; nm/mm is microradian.</p>\n\
         <div class=\"scroll\"><table>\n<tr><th>file</th>{heads}</tr>\n{rows}</table></div>\n"
    )
}

fn inputs(record: &Record) -> String {
    let rows = record.inputs.iter().fold(String::new(), |mut rows, input| {
        let or_dash = |value: Option<String>| value.map_or_else(|| "—".to_owned(), |v| escape(&v));
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td class=\"short\">{}</td><td class=\"short\">{}</td><td class=\"short\">{}</td><td>{}</td>\
             <td><code>{}</code></td></tr>",
            escape(&input.name),
            input.role.as_str(),
            or_dash(input.acquired_at.map(crate::record::UnixTime::readable)),
            or_dash(input.position_from.clone()),
            or_dash(input.version.clone()),
            escape(&input.sha256)
        );
        rows
    });
    let ignored = if record.ignored.is_empty() {
        String::new()
    } else {
        let names: Vec<String> = record.ignored.iter().map(|n| escape(n)).collect();
        format!("<p>Not part of the series and left alone: {}.</p>\n", names.join(", "))
    };
    format!(
        "<h2>Inputs</h2>\n<div class=\"scroll\"><table>\n<tr><th>file</th><th>role</th><th>measured</th><th class=\"short\">position \
         from</th><th>version</th><th>SHA-256</th></tr>\n{rows}</table></div>\n{ignored}"
    )
}

fn recipe(record: &Record) -> String {
    let origin = match &record.recipe.origin {
        Some(origin) => format!("From {}, with every default written out.", escape(origin)),
        None => "No recipe was given: the default recipe, with every value written out.".to_owned(),
    };
    let parameters: String = record
        .parameters
        .iter()
        .map(|(name, value)| {
            format!("<tr><td><code>{}</code></td><td>{}</td></tr>\n", escape(name), escape(&plain(value)))
        })
        .collect();
    format!(
        "<h2>Recipe</h2>\n<p>{origin} SHA-256 <code>{}</code></p>\n<pre>{}</pre>\n<div class=\"scroll\"><table>\n\
         <tr><th>parameter</th><th>value as resolved</th></tr>\n{parameters}</table></div>\n",
        escape(&record.recipe.sha256),
        escape(&record.recipe.resolved)
    )
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn reproduce(record: &Record, summary: &Summary) -> String {
    let check: String = record.inputs.iter().fold(String::new(), |mut lines, i| {
        let _ = writeln!(lines, "{}  {}", i.sha256, i.name);
        lines
    });
    format!(
        "<h2>How to get the same result</h2>\n<p>With the engine <code>{}</code>, in the folder of the inputs. The digest \
         covers height, uncertainty and overlap and does not depend on the machine or the number of threads.</p>\n\
         <pre>sha256sum -c SHA256SUMS        # the list below\nstitchbox stitch . -o Stitched-again --json\n\
         # \"digest\": \"{}\"</pre>\n<details><summary>SHA256SUMS</summary>\n<pre>{}</pre></details>\n",
        escape(&record.engine),
        escape(&summary.digest),
        escape(&check)
    )
}
