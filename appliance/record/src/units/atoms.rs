//! Units and prefixes by their case-sensitive UCUM symbols. Worth in metre, second, gram, kelvin, coulomb, candela and
//! radian by the SI brochure (9th edition, 2019), IUPAC and, for the customary ones, NIST SP 811 (2008); checked against the published
//! UCUM essence in `tests`.

use super::ucum::Dimension;

/// A unit symbol.
pub(super) struct Atom {
    pub(super) symbol: &'static str,
    /// May carry a prefix.
    pub(super) metric: bool,
    pub(super) worth: Worth,
}

/// What a unit is worth.
pub(super) enum Worth {
    /// So many base units of that dimension.
    Of(f64, Dimension),
    /// So many of another unit.
    In(f64, &'static str),
    /// A temperature scale: kelvin = (number + offset) × factor.
    Scale {
        /// Added before.
        offset: f64,
        /// Kelvin a degree.
        factor: f64,
    },
    /// What only its own assay defines: converts to nothing else.
    Own,
}

pub(super) const PREFIXES: &[(&str, f64)] = &[
    ("da", 1e1),
    ("Y", 1e24),
    ("Z", 1e21),
    ("E", 1e18),
    ("P", 1e15),
    ("T", 1e12),
    ("G", 1e9),
    ("M", 1e6),
    ("k", 1e3),
    ("h", 1e2),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
    ("a", 1e-18),
    ("z", 1e-21),
    ("y", 1e-24),
];

const fn of(symbol: &'static str, metric: bool, number: f64, dimension: Dimension) -> Atom {
    Atom { symbol, metric, worth: Worth::Of(number, dimension) }
}
const fn made(symbol: &'static str, metric: bool, number: f64, unit: &'static str) -> Atom {
    Atom { symbol, metric, worth: Worth::In(number, unit) }
}
const fn own(symbol: &'static str, metric: bool) -> Atom {
    Atom { symbol, metric, worth: Worth::Own }
}

const NONE: Dimension = Dimension([0; 7]);
const LENGTH: Dimension = Dimension([1, 0, 0, 0, 0, 0, 0]);
const TIME: Dimension = Dimension([0, 1, 0, 0, 0, 0, 0]);
const MASS: Dimension = Dimension([0, 0, 1, 0, 0, 0, 0]);
const HEAT: Dimension = Dimension([0, 0, 0, 1, 0, 0, 0]);
const CHARGE: Dimension = Dimension([0, 0, 0, 0, 1, 0, 0]);
const LIGHT: Dimension = Dimension([0, 0, 0, 0, 0, 1, 0]);
/// UCUM counts moles as a number; here they are a dimension of their own, so that moles do not pass for counts, and the
/// plane angle is a number instead.
const AMOUNT: Dimension = Dimension([0, 0, 0, 0, 0, 0, 1]);

pub(super) const ATOMS: &[Atom] = &[
    of("10*", false, 10.0, NONE),
    of("10^", false, 10.0, NONE),
    of("%", false, 1e-2, NONE),
    of("[ppth]", false, 1e-3, NONE),
    of("[ppm]", false, 1e-6, NONE),
    of("[ppb]", false, 1e-9, NONE),
    of("rad", true, 1.0, NONE),
    of("deg", false, 0.017_453_292_519_943_295, NONE),
    of("m", true, 1.0, LENGTH),
    of("s", true, 1.0, TIME),
    of("g", true, 1.0, MASS),
    of("K", true, 1.0, HEAT),
    of("C", true, 1.0, CHARGE),
    of("cd", true, 1.0, LIGHT),
    of("mol", true, 1.0, AMOUNT),
    made("L", true, 1.0, "dm3"),
    made("l", true, 1.0, "dm3"),
    made("ar", true, 100.0, "m2"),
    made("t", true, 1e6, "g"),
    made("min", false, 60.0, "s"),
    made("h", false, 3_600.0, "s"),
    made("d", false, 86_400.0, "s"),
    made("wk", false, 7.0, "d"),
    // Julian year and its twelfth, as UCUM has them.
    made("a_j", false, 365.25, "d"),
    made("mo_j", false, 30.4375, "d"),
    made("a", false, 365.25, "d"),
    made("mo", false, 30.4375, "d"),
    made("Hz", true, 1.0, "s-1"),
    made("N", true, 1.0, "kg.m/s2"),
    made("Pa", true, 1.0, "N/m2"),
    made("J", true, 1.0, "N.m"),
    made("W", true, 1.0, "J/s"),
    made("A", true, 1.0, "C/s"),
    made("V", true, 1.0, "J/C"),
    made("Ohm", true, 1.0, "V/A"),
    made("S", true, 1.0, "Ohm-1"),
    made("F", true, 1.0, "C/V"),
    made("Wb", true, 1.0, "V.s"),
    made("T", true, 1.0, "Wb/m2"),
    made("Bq", true, 1.0, "s-1"),
    made("Gy", true, 1.0, "J/kg"),
    made("Sv", true, 1.0, "J/kg"),
    made("Ci", true, 3.7e10, "Bq"),
    made("bar", true, 1e5, "Pa"),
    made("atm", false, 101_325.0, "Pa"),
    made("dyn", true, 1e-5, "N"),
    made("erg", true, 1e-7, "J"),
    made("P", true, 0.1, "Pa.s"),
    made("[e]", true, 1.602_176_634e-19, "C"),
    made("cal_th", true, 4.184, "J"),
    made("cal", true, 4.184, "J"),
    made("[Cal]", false, 1.0, "kcal"),
    made("eV", true, 1.602_176_634e-19, "J"),
    made("m[Hg]", true, 133.322, "kPa"),
    made("m[H2O]", true, 9.806_65, "kPa"),
    made("kat", true, 1.0, "mol/s"),
    made("U", true, 1.0, "umol/min"),
    made("[in_i]", false, 2.54, "cm"),
    made("[ft_i]", false, 12.0, "[in_i]"),
    made("[lb_av]", false, 453.592_37, "g"),
    made("[oz_av]", false, 28.349_523_125, "g"),
    made("[gr]", false, 64.798_91, "mg"),
    Atom { symbol: "Cel", metric: false, worth: Worth::Scale { offset: 273.15, factor: 1.0 } },
    Atom { symbol: "[degF]", metric: false, worth: Worth::Scale { offset: 459.67, factor: 5.0 / 9.0 } },
    // An equivalent is a mole of charge: only the charge of the ion tells moles from it.
    own("eq", true),
    // An osmole counts particles of all kinds.
    own("osm", true),
    own("[iU]", true),
    own("[IU]", true),
    own("[arb'U]", false),
    own("[USP'U]", false),
    own("[CFU]", false),
    own("[Ch]", false),
    own("[HPF]", false),
    own("[LPF]", false),
    own("[pH]", false),
    own("[drp]", false),
    own("[diop]", false),
    own("[MET]", false),
    own("[GPL'U]", false),
    own("[MPL'U]", false),
    own("[APL'U]", false),
    own("[anti'Xa'U]", false),
    own("[FEU]", false),
    own("[DDU]", false),
    own("[PFU]", false),
    own("[AU]", false),
    own("[BAU]", false),
    own("[EU]", false),
    own("[beth'U]", false),
    own("[todd'U]", false),
    own("[ELU]", false),
    own("[TCID_50]", false),
    own("B", true),
    own("Np", true),
    own("lm", true),
    own("lx", true),
];

/// How charts write units that UCUM writes otherwise. Compared without spaces; case counts where it makes a difference.
pub(super) const SPELLINGS: &[(&str, &str)] = &[
    ("mmHg", "mm[Hg]"),
    ("cmH2O", "cm[H2O]"),
    ("℃", "Cel"),
    ("°C", "Cel"),
    ("degC", "Cel"),
    ("℉", "[degF]"),
    ("°F", "[degF]"),
    ("degF", "[degF]"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("oz", "[oz_av]"),
    ("in", "[in_i]"),
    ("inch", "[in_i]"),
    ("ft", "[ft_i]"),
    ("IU", "[IU]"),
    ("mIU", "m[IU]"),
    ("uIU", "u[IU]"),
    ("[IU]", "[IU]"),
    ("mcg", "ug"),
    ("mcL", "uL"),
    ("cc", "mL"),
    ("cmm", "mm3"),
    ("cumm", "mm3"),
    ("K", "10*3"),
    ("Thousand", "10*3"),
    ("Million", "10*6"),
    ("sec", "s"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("week", "wk"),
    ("weeks", "wk"),
    ("year", "a"),
    ("years", "a"),
    ("mEq", "meq"),
    ("Eq", "eq"),
    ("uEq", "ueq"),
    ("mOsm", "mosm"),
    ("Osm", "osm"),
    ("fl", "fL"),
    ("percent", "%"),
    ("‰", "[ppth]"),
    ("bpm", "/min"),
    ("kU", "kU"),
];
