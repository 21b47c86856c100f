//! One unit: read, compared, converted. Grammar: UCUM, version 2.2 (terms joined by `.` and `/`, exponents, prefixes,
//! annotations in braces); with [`Unit::written`] the spellings of charts as well.

use super::atoms::{ATOMS, Atom, PREFIXES, SPELLINGS, Worth};

/// Longest unit read, characters.
const LONGEST: usize = 80;
/// Brackets inside one another.
const DEEPEST: usize = 8;
/// Greatest exponent.
const HIGHEST: i32 = 30;

/// Exponents of metre, second, gram, kelvin, coulomb, candela and mole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dimension(pub [i8; 7]);

impl Dimension {
    fn times(self, other: Self, power: i32) -> Option<Self> {
        let mut product = self;
        for (exponent, other) in product.0.iter_mut().zip(other.0) {
            let sum = i32::from(*exponent) + i32::from(other) * power;
            *exponent = i8::try_from(sum).ok()?;
        }
        Some(product)
    }
}

/// A unit that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Base units in one of it.
    factor: f64,
    dimension: Dimension,
    /// Arbitrary units in it, sorted, with exponents: they convert only into themselves.
    own: Vec<(&'static str, i32)>,
    /// Annotations that make it another thing (`{1.73_m2}`), sorted.
    notes: Vec<String>,
    /// A temperature scale, if the unit is one alone.
    scale: Option<(f64, f64)>,
}

impl Unit {
    const ONE: Self =
        Self { factor: 1.0, dimension: Dimension([0; 7]), own: Vec::new(), notes: Vec::new(), scale: None };

    /// A unit in UCUM, case-sensitive; `None` if it is none, or one that this appliance does not know.
    #[must_use]
    pub fn ucum(text: &str) -> Option<Self> {
        if text.is_empty() || text.chars().count() > LONGEST || !text.is_ascii() {
            return None;
        }
        Parser { rest: text, depth: 0 }.whole()
    }

    /// A unit as a chart writes it: UCUM, or with the spellings and the case that people use (`mmHg`, `MG/DL`, `10^3/μL`).
    #[must_use]
    pub fn written(text: &str) -> Option<Self> {
        let plain = plain(text)?;
        // What a chart means by these is not what UCUM does: kelvin, coulomb and farad are measured in no ward.
        let plain = match plain.as_str() {
            "C" | "c" => "Cel".to_owned(),
            "F" | "f" => "[degF]".to_owned(),
            other => other.strip_prefix("K/").map_or_else(|| other.to_owned(), |rest| format!("10*3/{rest}")),
        };
        if let Some(unit) = Self::ucum(&plain) {
            return Some(unit);
        }
        let spelled = respelled(&plain);
        Self::ucum(&spelled).or_else(|| {
            // Lower case is read where it is the chart's only case: `mg/dl` was read above; `MG/DL` and `mmol/l` are here.
            Self::ucum(&respelled(&spelled.to_lowercase()))
        })
    }

    /// `number` of this unit in `other`; `None` if they measure different things.
    #[must_use]
    pub fn convert(&self, number: f64, other: &Self) -> Option<f64> {
        if !self.measures_what(other) {
            return None;
        }
        let converted = match (self.scale, other.scale) {
            (Some((offset, factor)), Some((other_offset, other_factor))) => {
                (number + offset) * factor / other_factor - other_offset
            }
            (Some((offset, factor)), None) => (number + offset) * factor / other.factor,
            (None, Some((offset, factor))) => number * self.factor / factor - offset,
            (None, None) => number * (self.factor / other.factor),
        };
        converted.is_finite().then_some(converted)
    }

    /// True if one of this is one of the other.
    #[must_use]
    pub fn is_worth(&self, other: &Self) -> bool {
        self.measures_what(other)
            && self.scale == other.scale
            && (self.factor - other.factor).abs() <= 1e-9 * self.factor.abs()
    }

    fn measures_what(&self, other: &Self) -> bool {
        self.dimension == other.dimension && self.own == other.own && self.notes == other.notes
    }

    /// Factor and dimension, for mass and moles; `None` where something stands in the way (arbitrary units, notes, scales).
    pub(super) fn plain(&self) -> Option<(f64, Dimension)> {
        (self.own.is_empty() && self.notes.is_empty() && self.scale.is_none()).then_some((self.factor, self.dimension))
    }

    /// As [`Self::plain`], of a unit with equivalents to the first power, which are left out of the dimension.
    pub(super) fn equivalents(&self) -> Option<(f64, Dimension)> {
        (self.own == [("eq", 1)] && self.notes.is_empty()).then_some((self.factor, self.dimension))
    }

    fn raised(mut self, power: i32) -> Option<Self> {
        if power == 1 {
            return Some(self);
        }
        // A power of a temperature scale means nothing.
        if self.scale.is_some() || power.abs() > HIGHEST {
            return None;
        }
        self.dimension = Dimension::default().times(self.dimension, power)?;
        self.factor = self.factor.powi(power);
        for (_, exponent) in &mut self.own {
            *exponent = exponent.checked_mul(power)?;
        }
        self.factor.is_normal().then_some(self)
    }

    fn times(self, other: Self, power: i32) -> Option<Self> {
        let other = other.raised(power)?;
        if self == Self::ONE {
            return Some(other);
        }
        let mut product = self;
        if product.scale.is_some() || other.scale.is_some() {
            return None;
        }
        let moles = |dimension: Dimension| dimension.0[6] != 0;
        let (top, bottom) = (moles(product.dimension), moles(other.dimension));
        product.factor *= other.factor;
        product.dimension = product.dimension.times(other.dimension, 1)?;
        // A ratio of moles is no percentage: 7 % of HbA1c (NGSP) are 53 mmol/mol (IFCC), not 70.
        if top && bottom && !moles(product.dimension) {
            product.notes.push("mol/mol".to_owned());
        }
        for (symbol, exponent) in other.own {
            match product.own.iter_mut().find(|(known, _)| *known == symbol) {
                Some((_, sum)) => *sum += exponent,
                None => product.own.push((symbol, exponent)),
            }
        }
        product.own.retain(|(_, exponent)| *exponent != 0);
        product.own.sort_unstable();
        product.notes.extend(other.notes);
        product.notes.sort_unstable();
        product.factor.is_normal().then_some(product)
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl Parser<'_> {
    fn whole(mut self) -> Option<Unit> {
        let unit = self.term()?;
        self.rest.is_empty().then_some(unit)
    }

    fn take(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `/`? component ((`.` | `/`) component)*
    fn term(&mut self) -> Option<Unit> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut unit = Unit::ONE;
        let mut power = if self.take('/') { -1 } else { 1 };
        loop {
            unit = unit.times(self.component()?, power)?;
            power = match (self.take('.'), self.rest.starts_with('/')) {
                (true, _) => 1,
                (false, true) => {
                    self.take('/');
                    -1
                }
                _ => break,
            };
        }
        self.depth -= 1;
        Some(unit)
    }

    fn component(&mut self) -> Option<Unit> {
        let mut unit = if self.take('(') {
            let unit = self.term()?;
            if !self.take(')') {
                return None;
            }
            let power = self.exponent()?;
            unit.raised(power)?
        } else if self.rest.starts_with('{') {
            Unit::ONE
        } else {
            self.simple()?
        };
        while let Some(rest) = self.rest.strip_prefix('{') {
            let (note, rest) = rest.split_once('}')?;
            self.rest = rest;
            if counts(note) {
                unit.notes.push(note.to_lowercase());
            }
        }
        unit.notes.sort_unstable();
        Some(unit)
    }

    /// A number, or a symbol with prefix and exponent.
    fn simple(&mut self) -> Option<Unit> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && !self.rest.starts_with("10*") && !self.rest.starts_with("10^") {
            let (number, rest) = self.rest.split_at_checked(digits)?;
            self.rest = rest;
            let factor: f64 = number.parse().ok()?;
            return factor.is_normal().then_some(Unit { factor, ..Unit::ONE });
        }
        let symbol = self.symbol()?;
        let unit = symbol_unit(symbol)?;
        let power = self.exponent()?;
        unit.raised(power)
    }

    /// Letters, signs and whole square brackets, up to what ends a symbol.
    fn symbol(&mut self) -> Option<&'static str> {
        let mut end = 0;
        let mut bracket = false;
        for (at, sign) in self.rest.char_indices() {
            let inside = match sign {
                '[' => {
                    bracket = true;
                    true
                }
                ']' => {
                    bracket = false;
                    true
                }
                _ if bracket => true,
                '*' | '^' => true,
                _ if self.rest.starts_with("10*") || self.rest.starts_with("10^") => at < 2,
                '0'..='9' | '+' | '-' | '.' | '/' | '(' | ')' | '{' | '}' => false,
                _ => true,
            };
            if !inside {
                break;
            }
            end = at + sign.len_utf8();
            if (sign == '*' || sign == '^') && !bracket {
                break;
            }
        }
        let (symbol, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        intern(symbol)
    }

    fn exponent(&mut self) -> Option<i32> {
        let signed = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest.bytes().skip(signed).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return (signed == 0).then_some(1);
        }
        let (exponent, rest) = self.rest.split_at_checked(signed + digits)?;
        self.rest = rest;
        exponent.trim_start_matches('+').parse().ok().filter(|power: &i32| power.abs() <= HIGHEST && *power != 0)
    }
}

/// The symbols that exist are known; others are no unit. Prefix and atom are looked for once.
fn intern(symbol: &str) -> Option<&'static str> {
    use std::collections::HashMap;
    use std::sync::OnceLock;
    static ALL: OnceLock<HashMap<String, &'static str>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = HashMap::new();
        for atom in ATOMS.iter().filter(|atom| atom.metric) {
            for (prefix, _) in PREFIXES {
                let text = format!("{prefix}{}", atom.symbol);
                // Lives as long as the process: some thousand short texts, made once.
                let kept: &'static str = Box::leak(text.clone().into_boxed_str());
                all.insert(text, kept);
            }
        }
        // A symbol of its own goes before a prefix with another: `min`, `cd`, `Pa`.
        for atom in ATOMS {
            all.insert(atom.symbol.to_owned(), atom.symbol);
        }
        all
    })
    .get(symbol)
    .copied()
}

fn symbol_unit(symbol: &'static str) -> Option<Unit> {
    if let Some(atom) = ATOMS.iter().find(|atom| atom.symbol == symbol) {
        return atom_unit(atom);
    }
    PREFIXES.iter().find_map(|(prefix, factor)| {
        let bare = symbol.strip_prefix(prefix)?;
        let atom = ATOMS.iter().find(|atom| atom.metric && atom.symbol == bare)?;
        let mut unit = atom_unit(atom)?;
        unit.factor *= factor;
        Some(unit)
    })
}

fn atom_unit(atom: &'static Atom) -> Option<Unit> {
    match atom.worth {
        Worth::Of(factor, dimension) => Some(Unit { factor, dimension, ..Unit::ONE }),
        Worth::In(number, definition) => {
            let mut unit = Parser { rest: definition, depth: 0 }.whole()?;
            unit.factor *= number;
            Some(unit)
        }
        Worth::Scale { offset, factor } => Some(Unit {
            factor,
            dimension: Dimension([0, 0, 0, 1, 0, 0, 0]),
            scale: Some((offset, factor)),
            ..Unit::ONE
        }),
        Worth::Own => Some(Unit { own: vec![(kind(atom.symbol), 1)], ..Unit::ONE }),
    }
}

/// `[IU]` and `[iU]` are one.
fn kind(symbol: &'static str) -> &'static str {
    if symbol == "[iU]" { "[IU]" } else { symbol }
}

/// Whether an annotation makes the unit another: a body surface does, `{cells}` and `{INR}` only say what is counted.
fn counts(note: &str) -> bool {
    note.chars().any(|c| c.is_ascii_digit())
}

/// Width, micro signs, powers and spaces as UCUM has them; `None` for what is no unit at all.
fn plain(text: &str) -> Option<String> {
    if text.chars().count() > LONGEST {
        return None;
    }
    let mut plain = String::new();
    for c in text.trim().chars() {
        match c {
            'µ' | 'μ' => plain.push('u'),
            '㎎' => plain.push_str("mg"),
            '㎍' => plain.push_str("ug"),
            '㎏' => plain.push_str("kg"),
            '㎗' => plain.push_str("dL"),
            '㎖' => plain.push_str("mL"),
            'ℓ' => plain.push('L'),
            '㎜' => plain.push_str("mm"),
            '㎝' => plain.push_str("cm"),
            '㎡' => plain.push_str("m2"),
            '㎣' => plain.push_str("mm3"),
            '％' => plain.push('%'),
            '℃' => plain.push_str("Cel"),
            '℉' => plain.push_str("[degF]"),
            '²' => plain.push('2'),
            '³' => plain.push('3'),
            '×' | '·' | '⋅' => plain.push('.'),
            '/' | '∕' | '／' => plain.push('/'),
            '°' => plain.push_str("deg"),
            c if c.is_whitespace() => {}
            c => plain.push(c),
        }
    }
    (!plain.is_empty()).then_some(plain)
}

/// Piece by piece in UCUM's spelling.
fn respelled(plain: &str) -> String {
    // A factor of ten in front: `x10^3/uL`, `x10E3/uL`.
    let front = plain.strip_prefix(['x', 'X']).filter(|rest| rest.starts_with("10")).unwrap_or(plain);
    let front = match front.strip_prefix("10e").or_else(|| front.strip_prefix("10E")) {
        Some(rest) => format!("10*{rest}"),
        None => front.to_owned(),
    };
    // A clearance for a body surface, however it is written.
    let front = ["/1.73m2", "/1.73m^2", "/1.73sqm", "/1.73 m2", "/1.73"]
        .into_iter()
        .find_map(|tail| front.strip_suffix(tail))
        .map_or_else(|| front.clone(), |head| format!("{head}/{{1.73_m2}}"));
    let mut spelled = String::new();
    let mut piece = String::new();
    let mut inside = 0_usize;
    for sign in front.chars().chain(['\0']) {
        if inside == 0 && matches!(sign, '/' | '.' | '\0') {
            spelled.push_str(&respell(&piece));
            piece.clear();
            if sign != '\0' {
                spelled.push(sign);
            }
            continue;
        }
        match sign {
            '{' => inside += 1,
            '}' => inside = inside.saturating_sub(1),
            _ => {}
        }
        piece.push(sign);
    }
    // `/min` for `bpm` stands alone; behind another unit the bar is there already.
    spelled.replace("//", "/")
}

fn respell(piece: &str) -> String {
    if piece.is_empty() || piece.starts_with('{') {
        return piece.to_owned();
    }
    let exact = SPELLINGS.iter().find(|(spelling, _)| *spelling == piece);
    let either = || SPELLINGS.iter().find(|(spelling, _)| spelling.len() > 1 && spelling.eq_ignore_ascii_case(piece));
    if let Some((_, ucum)) = exact.or_else(either) {
        return (*ucum).to_owned();
    }
    // The litre is written small as often as large, and with a prefix only large is read everywhere.
    match piece {
        "dl" => "dL".to_owned(),
        "ml" => "mL".to_owned(),
        "ul" => "uL".to_owned(),
        "l" => "L".to_owned(),
        "u" => "U".to_owned(),
        "mu" => "mU".to_owned(),
        "uu" => "uU".to_owned(),
        "ku" => "kU".to_owned(),
        "cel" => "Cel".to_owned(),
        "pa" => "Pa".to_owned(),
        "kpa" => "kPa".to_owned(),
        "hz" => "Hz".to_owned(),
        "k" => "10*3".to_owned(),
        _ => piece.to_owned(),
    }
}
