use super::*;
use stitchbox_surface::PixelSize;

fn refused(text: &str) -> (usize, String) {
    let error = Recipe::parse(text).unwrap_err();
    (error.line, error.message)
}

#[test]
fn an_empty_recipe_is_the_default() {
    assert_eq!(Recipe::parse("").unwrap(), Recipe::default());
    assert_eq!(Recipe::parse("# nothing\n[series]\n[stitch]\n").unwrap(), Recipe::default());
}

#[test]
fn every_key_is_read() {
    let recipe = Recipe::parse(
        "[series]\nexpected = 12\ninclude = [\"*.dat\"]\nexclude = [\"dark*\"]\n[stitch]\nterms = [\"piston\", \"pitch\"]\n\
         reference = \"file\"\nreference_file = \"flat.dat\"\nrobust = false\n[positions]\npixel_mm = 0.1\n\
         [positions.at]\n\"a.dat\" = [0, 0.5]\n\"b.dat\" = [-12.5, 1e1]\n",
    )
    .unwrap();
    assert_eq!(recipe.series.completeness(), Some(Completeness::Expected(12)));
    assert_eq!(recipe.stitch.terms, [Term::Piston, Term::Pitch]);
    assert_eq!(recipe.reference_file(), Some("flat.dat"));
    assert!(!recipe.stitch.robust);
    assert_eq!(recipe.positions.pixel(), Some(PixelSize { x_mm: 0.1, y_mm: 0.1 }));
    assert_eq!(recipe.positions.at.get("b.dat"), Some(&Place(-12.5, 10.0)));
}

#[test]
fn the_resolved_recipe_reads_back_as_itself() {
    for text in [
        "",
        "[series]\nmarker = \"_DONE \\\"x\\\"\"\n[stitch]\nreference = \"smooth\"\n[positions]\nfile = \"p.csv\"\n",
        "[series]\nquiet = \"2 min\"\nexclude=['a*']\n[positions]\npixel_mm = [0.1, 0.2]\n[positions.at]\n'ü.dat' = [1, 2]\n",
    ] {
        let recipe = Recipe::parse(text).unwrap();
        assert_eq!(Recipe::parse(&recipe.resolved_toml()).unwrap(), recipe, "{}", recipe.resolved_toml());
    }
}

#[test]
fn a_mistyped_key_is_refused_with_its_line_and_the_right_word() {
    let (line, message) = refused("[series]\n# comment\nexpeted = 12\n");
    assert_eq!(line, 3);
    assert!(message.contains("did you mean \"expected\"?"), "{message}");
    let (line, message) = refused("\n[stich]\n");
    assert_eq!(line, 2);
    assert!(message.contains("\"stitch\""), "{message}");
    assert_eq!(refused("expected = 3").0, 1);
}

#[test]
fn wrong_kinds_and_units_are_refused_with_an_example() {
    assert!(refused("[series]\nquiet = 10").1.contains("quiet = \"10 s\""));
    assert!(refused("[series]\nquiet = \"10 parsec\"").1.contains("10 parsec"));
    assert!(refused("[series]\nexpected = \"12\"").1.contains("whole number"));
    assert!(refused("[series]\nexpected = 1").1.contains("between 2"));
    assert!(refused("[stitch]\nreference = \"pixelwis\"").1.contains("\"pixelwise\""));
    assert!(refused("[stitch]\nterms = [\"piston\", \"yaw\"]").1.contains("piston, pitch, roll"));
    assert!(refused("[stitch]\nrobust = 1").1.contains("true or false"));
    assert!(refused("[positions]\npixel_mm = -0.1").1.contains("millimetres"));
    assert!(refused("[positions.at]\n\"a.dat\" = [nan, 0]").1.contains("finite number"));
    assert!(refused("[positions.at]\n\"a.dat\" = [1, 2, 3]").1.contains("two numbers"));
    assert_eq!(refused("[stitch]\nrobust = true\nangle_sigma = \"50 mm\"").0, 3);
    assert!(refused("[stitch]\nangle_sigma = \"50 mm\"").1.contains("urad, µrad, nrad"));
    assert!(refused("[stitch]\nangle_sigma = 50").1.contains("needs a unit"));
    assert!(refused("[series]\nmarker = \"../x\"").1.contains("without a path"));
    assert_eq!(refused("series = 3").0, 1);
}

#[test]
fn contradictions_are_refused() {
    assert!(refused("[series]\nexpected = 3\nquiet = \"10 s\"").1.contains("keep one"));
    assert!(refused("[stitch]\nreference = \"file\"").1.contains("reference_file"));
    assert!(refused("[stitch]\nreference_file = \"r.dat\"").1.contains("reference = \"file\""));
    assert!(refused("[positions]\nfile = \"p.csv\"\n[positions.at]\n\"a.dat\" = [0, 0]").1.contains("both"));
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    let (line, message) = refused("[series]\nexpected = 12\nquiet 10\n");
    assert_eq!(line, 3);
    assert!(message.starts_with("this is not TOML"), "{message}");
}

#[test]
fn the_recipe_decides_the_roles() {
    let recipe = Recipe::parse(
        "[series]\nmarker = \"done.dat\"\nexclude = [\"dark*\"]\n[stitch]\nreference = \"file\"\nreference_file = \"flat.dat\"\n\
         [positions]\nfile = \"stage.txt\"",
    )
    .unwrap();
    let metropro = [0x88, 0x1b, 0x03, 0x6f, 0, 1];
    assert_eq!(recipe.classify("a.dat", &metropro), Role::SubAperture);
    assert_eq!(recipe.classify("dark1.dat", &metropro), Role::Foreign);
    assert_eq!(recipe.classify("flat.dat", &metropro), Role::Named);
    assert_eq!(recipe.classify("done.dat", b""), Role::Foreign);
    assert_eq!(recipe.classify("stage.txt", b"file,x_mm"), Role::Positions);
    assert_eq!(recipe.classify("positions.csv", b"file,x_mm"), Role::Foreign);
}
